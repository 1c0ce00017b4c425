"""What the API shows of accounts."""

from django.db.models import QuerySet

from mediscan_site.core.models import ServiceToken, User


def service_tokens(user: User) -> QuerySet[ServiceToken]:
    """The tokens of one account, newest first."""
    return ServiceToken.objects.filter(user=user).select_related("user").order_by("-id")
