"""Who asks."""

from django.http import HttpRequest
from rest_framework.request import Request

from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import User


def caller(request: HttpRequest | Request) -> User:
    """The account behind a page or a call that only the signed-in reach."""
    user = request.user
    if not isinstance(user, User):
        raise Forbidden("Sign in first.")
    return user
