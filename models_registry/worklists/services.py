"""Taking referred scans, giving them back, and reading them."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from images.models import Project, ProjectClass
from images.policies import require
from images.services import require_free
from labeling.models import Label
from labeling.policies import require_class
from labeling.reading.labels import MAX_REASON, label_scan, mark_ungradable
from labeling.reading.queue import require_number
from labeling.reading.rows import LEASE
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from models_registry.grades.feedback import in_test_split
from models_registry.grades.referrals import close_as_read
from models_registry.models import Referral, ReferralRead
from models_registry.worklists import selectors
from models_registry.worklists.policies import RIGHT

# Offered at once for one that is asked for: others may be quicker with some.
_SPARE: Final = 4


def claim_referrals(*, actor: User, project: Project, n: int = 1, without: Collection[int] = ()) -> list[Referral]:
    """Up to `n` referred scans for the actor alone, for ten minutes, oldest first; those they hold already come first, and their
    ten minutes begin anew. `without`: what they do not want now. None when nothing waits."""
    require(actor, RIGHT, project)
    require_number(n)
    mine = selectors.held_by(actor, project).exclude(pk__in=list(without))
    held = list(mine.values_list("pk", flat=True)[:n])
    offered = list(held)
    if len(offered) < n:
        others = selectors.free(project).exclude(pk__in=list(without))
        offered += list(others.values_list("pk", flat=True)[: _SPARE * n])
    taken: list[Referral] = []
    for pk in offered:
        if len(taken) == n:
            break
        taken += _take(actor, project, pk, anew=pk not in held)
    return taken


def _take(actor: User, project: Project, pk: int, *, anew: bool) -> list[Referral]:
    """The referral, or nothing when somebody else was quicker: the row count of one conditional UPDATE decides. Taking it `anew`
    is on record; going on with it is not."""
    now = timezone.now()
    with transaction.atomic():
        if not Referral.objects.filter(_free_for(actor), pk=pk, active=True).update(
            holder=actor, expires_at=now + LEASE
        ):
            return []
        referral = Referral.objects.select_related("project", "image", "holder").get(pk=pk)
        if anew:
            details = {"image": referral.image_id}
            audit.record("referral.claim", actor=actor, obj=referral, project=project.pk, details=details)
    return [referral]


def _free_for(actor: User) -> Q:
    return Q(holder__isnull=True) | Q(holder=actor) | Q(expires_at__lte=timezone.now())


def release_referrals(*, actor: User, project: Project, referrals: Sequence[Referral] | None = None) -> int:
    """Give back what the actor holds in the project (these, or all): it is the next one's at once, at its old place. How many."""
    require(actor, "view_project", project)
    mine: QuerySet[Referral] = Referral.objects.filter(project=project, active=True, holder=actor)
    if referrals is not None:
        mine = mine.filter(pk__in=[referral.pk for referral in referrals])
    return mine.update(holder=None, expires_at=None)


def read_referral(
    *,
    actor: User,
    referral: Referral,
    label_class: ProjectClass | None = None,
    ungradable: str = "",
    comment: str = "",
    expected_version: int | None = None,
) -> ReferralRead:
    """The actor's own read of a referred scan: a class, or why nobody can tell. It ends the task, and is a label by the usual
    rules, except on a scan of a test split: there a model's referrals must not choose which labels are looked at again.

    Raises Conflict `referral_over` and `referral_taken`, Stale, and what labelling raises."""
    require(actor, RIGHT, referral.project)
    require_free(referral.image)
    reason = text.line(ungradable, attr="ungradable", max_length=MAX_REASON)
    note = text.paragraphs(comment, attr="comment")
    if (label_class is None) == (not reason):
        raise Invalid("Name either a class or the reason why the scan is ungradable.", attr="label")
    if label_class is not None:
        require_class(referral.project, label_class)
    held = in_test_split(referral.image)
    with transaction.atomic():
        _end(actor, referral)
        label = None
        if not held:
            said = {"actor": actor, "image": referral.image, "comment": note, "expected_version": expected_version}
            label = _label(said, label_class, reason)
        read = ReferralRead.objects.create(
            referral=referral,
            reader=actor,
            label_class=label_class,
            ungradable_reason=reason,
            comment=note,
            label=label,
            held_for_admin=held,
        )
        details = {"image": referral.image_id, "grade": referral.grade_id, "held_for_admin": held}
        audit.record("referral.read", actor=actor, obj=referral, project=referral.project_id, details=details)
    return read


def _end(actor: User, referral: Referral) -> None:
    """Close the task, unless it is over or somebody else has it open."""
    if close_as_read(Referral.objects.filter(_free_for(actor), pk=referral.pk)):
        return
    current = Referral.objects.select_related("holder").get(pk=referral.pk)
    if current.active and current.holder is not None:
        raise Conflict(
            f"{current.holder.username} has this scan open. Take another one, or wait until it comes back.",
            code="referral_taken",
        )
    raise Conflict("Somebody has read or labelled this scan meanwhile: it no longer waits.", code="referral_over")


def _label(said: dict[str, Any], label_class: ProjectClass | None, reason: str) -> Label | None:
    """The label that the read became; None when the scan had it already."""
    given = partial(label_scan, label_class=label_class) if label_class else partial(mark_ungradable, reason=reason)
    outcome = given(**said)
    return outcome.label if outcome.changed else None
