"""What the API and the dashboard show of accounts."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from mediscan_site.core.models import ServiceToken, User
from mediscan_site.core.policies import is_admin
from mediscan_site.core.scopes import REMIND


def service_tokens(user: User) -> QuerySet[ServiceToken]:
    """The tokens of one account, newest first."""
    return ServiceToken.objects.filter(user=user).select_related("user", "made_by").order_by("-id")


def ending_tokens(user: Any) -> list[ServiceToken]:
    """Tokens whose machine will soon be refused: their own for everybody who made or owns them, all for an admin."""
    now = timezone.now()
    ending = ServiceToken.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lt=now + REMIND)
    if not is_admin(user):
        ending = ending.filter(Q(user=user) | Q(made_by=user))
    return list(ending.filter(user__is_active=True).select_related("user").order_by("expires_at"))
