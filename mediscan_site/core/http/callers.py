"""Who asks."""

from django.http import HttpRequest
from django.utils.functional import LazyObject
from rest_framework.request import Request

from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import User


def caller(request: HttpRequest | Request) -> User:
    """The account behind a page or a call that only the signed-in reach."""
    user = request.user
    if not isinstance(user, User):
        raise Forbidden("Sign in first.")
    return user


def known_caller(request: HttpRequest) -> int | None:
    """The key of the account that the request turned out to come from, where somebody asked for it: the database is not asked."""
    known = vars(request)
    # The API puts the account there itself; a page's stays a promise until somebody looks at it, and is then kept beside it.
    user = known.get("_cached_user") or known.get("user")
    key = None if isinstance(user, LazyObject) else getattr(user, "pk", None)
    return int(key) if key is not None else None
