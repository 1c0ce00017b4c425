"""Who may manage people. What a user may do inside a project is decided in `images.policies`."""

from typing import Any

from django.db.models import QuerySet

from mediscan_site.core.errors import Forbidden
from mediscan_site.core.models import User


def is_admin(user: Any) -> bool:
    """True for an active account with the role admin; False for anonymous callers."""
    return isinstance(user, User) and user.is_admin


def require_admin(user: Any) -> None:
    if not is_admin(user):
        raise Forbidden("Only an administrator may do this. Ask one, or sign in as one.")


def visible_users(user: Any) -> QuerySet[User]:
    """Every account for an admin, their own for everybody else, none for the inactive and the anonymous."""
    if is_admin(user):
        return User.objects.all()
    if isinstance(user, User) and user.is_active:
        return User.objects.filter(pk=user.pk)
    return User.objects.none()
