"""How guessing of passwords is slowed: after so many failures by name and address, by name over all addresses, and by address
over all names (settings.AXES_FAILURE_LIMIT, NAME_FAILURE_LIMIT, ADDRESS_FAILURE_LIMIT within AXES_COOLOFF_TIME).

Nobody locks a doctor out for good by guessing: an address from which the account was used lately has only its own five guesses
to lose, an administrator unlocks, and tries during a lock do not prolong it. What was typed as a name is kept as a digest
alone, for it may be a password in the wrong field; names that are no account are slowed like those that are."""

from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, QueryDict
from django.utils import timezone

from mediscan_site.core import audit, limits, tidy
from mediscan_site.core.http.addresses import counted_address
from mediscan_site.core.http.context import current_context
from mediscan_site.core.http.middleware import client_ip
from mediscan_site.core.models import AuditEvent, User
from mediscan_site.core.names import name_key

KNOWN_FOR = timedelta(days=30)
NAME = "name "


def typed_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """What axes keeps and logs instead of the name that was typed."""
    typed = (credentials or {}).get("username") or ""
    return f"{NAME}{limits.digest(name_key(str(typed)))[:40]}"


def address(request: HttpRequest) -> str | None:
    """The caller's address as it is counted."""
    return counted_address(client_ip(request))


def account(credentials: dict[str, Any] | None) -> User | None:
    """The account that a log-in names."""
    typed = str((credentials or {}).get("username") or "")
    return User.objects.filter(username_key=name_key(typed)).first()


def unlock(user: User) -> None:
    """Forget the failed log-ins of the account, from everywhere."""
    AccessAttempt.objects.filter(username=typed_name(HttpRequest(), {"username": user.username})).delete()


def is_locked_out(user: User) -> bool:
    """Whether somebody who tries as this account would be refused, from one address or from all."""
    own = AccessAttempt.objects.filter(
        username=typed_name(HttpRequest(), {"username": user.username}),
        attempt_time__gte=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    from_one = own.filter(failures_since_start__gte=settings.AXES_FAILURE_LIMIT).exists()
    return from_one or _failures(own) >= settings.NAME_FAILURE_LIMIT


@tidy.register
def forget() -> None:
    """What no limit counts any more, and names that older versions kept as they were typed."""
    old = Q(attempt_time__lt=timezone.now() - settings.AXES_COOLOFF_TIME) | ~Q(username__startswith=NAME)
    AccessAttempt.objects.filter(old).delete()


class _Bare:
    """The request without what was sent: axes would keep its fields, and addresses of pages that name patients."""

    GET = POST = QueryDict()

    def __init__(self, request: HttpRequest) -> None:
        object.__setattr__(self, "_request", request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._request, name, value)


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]  # the library has no types
    """Axes with two more limits, an audit event per lock, and nothing kept of what was sent."""

    def is_locked(self, request: Any, credentials: dict[str, Any] | None = None) -> bool:
        return bool(super().is_locked(request, credentials)) or self._guessed_widely(request, credentials)

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any) -> None:
        if request is None:
            return
        was_locked = request.axes_locked_out
        if was_locked:
            # As long as every other refusal takes.
            make_password(str(credentials.get("password")))
        super().user_login_failed(sender, credentials, _Bare(request), **kwargs)
        if was_locked:
            return
        if not request.axes_locked_out and self._guessed_widely(request, credentials):
            request.axes_locked_out, request.axes_credentials = True, credentials
        if request.axes_locked_out:
            self._record(credentials)

    def _guessed_widely(self, request: Any, credentials: dict[str, Any] | None) -> bool:
        since = timezone.now() - settings.AXES_COOLOFF_TIME
        lately = AccessAttempt.objects.filter(attempt_time__gte=since)
        of_name = lately.filter(username=typed_name(request, credentials))
        over_name = _failures(of_name) >= settings.NAME_FAILURE_LIMIT
        of_address = lately.filter(ip_address=request.axes_ip_address)
        over_address = _failures(of_address) >= settings.ADDRESS_FAILURE_LIMIT
        return (over_name or over_address) and not _is_known(credentials)

    def _record(self, credentials: dict[str, Any]) -> None:
        user = account(credentials)
        with transaction.atomic():
            audit.record("login.locked", actor=None, obj=user, actor_name=user.username if user else "")


def _failures(attempts: QuerySet[AccessAttempt]) -> int:
    return int(attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0)


def _is_known(credentials: dict[str, Any] | None) -> bool:
    """Whether somebody signed in as this account has worked from this address lately."""
    user, since = account(credentials), timezone.now() - KNOWN_FOR
    events = AuditEvent.objects.filter(actor=user, ip=current_context().ip, at__gte=since)
    return user is not None and events.exists()
