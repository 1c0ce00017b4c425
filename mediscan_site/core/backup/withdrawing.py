"""After a restore: what was withdrawn since the backup is withdrawn again, and said. Later apps add their kinds of rights."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from mediscan_site.core import audit
from mediscan_site.core.backup.journal import ERASED, Journal
from mediscan_site.core.models import Role, ServiceToken, User

log = logging.getLogger(__name__)

Withdraw = Callable[[dict[str, Any]], str]
_kinds: dict[str, Withdraw] = {}


def withdraws(kind: str) -> Callable[[Withdraw], Withdraw]:
    """Register how a kind of right is taken again; the function gets the facts of the journal and returns what it did in a
    sentence, or nothing when the restored site does not have that right. Used as a decorator."""

    def registered(withdraw: Withdraw) -> Withdraw:
        _kinds[kind] = withdraw
        return withdraw

    return registered


def erased(journal: Journal) -> frozenset[str]:
    """Ids of all objects that were ever erased: none comes back."""
    return frozenset(str(entry.facts["object"]) for entry in journal.entries if entry.kind == ERASED)


def replay(journal: Journal, since: datetime) -> list[str]:
    """Withdraw again; one sentence for each that the restored site had."""
    said = []
    for entry in journal.since(since):
        withdraw = _kinds.get(entry.kind)
        if withdraw is None or entry.facts.get("holds"):
            continue
        with transaction.atomic():
            sentence = withdraw(entry.facts)
            if sentence:
                audit.record("backup.withdraw", actor=None, details={"kind": entry.kind, **entry.facts})
                said.append(sentence)
    if journal.broken:
        said.append(
            f"Lines {', '.join(map(str, journal.broken[:5]))} of the list of withdrawals are damaged or were changed: look "
            "through accounts, memberships and tokens yourself."
        )
    return said


def _last_admin(user: User) -> bool:
    return user.is_admin and not User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=user.pk).exists()


@withdraws("active")
def _deactivate(facts: dict[str, Any]) -> str:
    user = User.objects.filter(pk=facts["user"], is_active=True).first()
    if user is None:
        return ""
    if _last_admin(user):
        return f"{user.username} was deactivated since, but is the only administrator here: decide yourself."
    User.objects.filter(pk=user.pk).update(is_active=False)
    return f"The account {user.username} is deactivated again."


@withdraws("administrator")
def _demote(facts: dict[str, Any]) -> str:
    user = User.objects.filter(pk=facts["user"], role=Role.ADMIN).first()
    if user is None:
        return ""
    if _last_admin(user):
        return f"{user.username} ceased to be an administrator since, but is the only one here: decide yourself."
    User.objects.filter(pk=user.pk).update(role=Role.DOCTOR, is_staff=False, is_superuser=False)
    return f"{user.username} is no administrator any more."


@withdraws("token")
def _revoke(facts: dict[str, Any]) -> str:
    token = ServiceToken.objects.filter(pk=facts["token"], revoked_at=None).select_related("user").first()
    if token is None:
        return ""
    ServiceToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    return f"The service token {token} is revoked again."


@withdraws("password")
def _tell_of_password(facts: dict[str, Any]) -> str:
    user = User.objects.filter(pk=facts["user"]).first()
    if user is None:
        return ""
    return f"{user.username} has the password from before it was changed: give them a reset link."
