"""A referred scan becomes somebody's task, and a decision of a person ends it: both in the transaction of what causes them."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from images.models import Image
from labeling.reading.change import on_decision, on_undo
from models_registry.models import Referral

# The clocks of the database and of this process may differ by so much.
_CLOCKS: Final = timedelta(seconds=5)
_NOBODY = {"active": None, "holder": None, "expires_at": None}


def open_for(project_id: int, referred: Mapping[int, int]) -> None:
    """`referred`: scan to the grade that referred it. A scan that waits already keeps its place, and the newest grade counts. One
    that is erased or held back by now becomes nobody's task, so that what waits is known without looking at the scans. In the
    caller's transaction: the scans are locked, as whoever erases them does."""
    if not referred:
        return
    waiting = Referral.objects.filter(image__in=list(referred), active=True)
    known = set(waiting.values_list("image", flat=True))
    for image in known:
        waiting.filter(image=image).update(grade=referred[image])
    new = [
        Referral(project_id=project_id, image_id=pk, grade_id=referred[pk]) for pk in _readable(referred.keys() - known)
    ]
    # Two workers may refer one scan at the same moment: it is one task.
    Referral.objects.bulk_create(new, ignore_conflicts=True)


def _readable(scans: Collection[int]) -> list[int]:
    """Those of the scans that somebody can be asked to read; in the order of their keys, so that nobody waits for another."""
    rows = Image.objects.select_for_update().filter(pk__in=scans, erased_at__isnull=True, hold="").order_by("pk")
    return list(rows.values_list("pk", flat=True)) if scans else []


def close_for(image_id: int, outcome: Referral.Outcome) -> None:
    """End the task of this scan, if it has one."""
    waiting = Referral.objects.filter(image=image_id, active=True)
    waiting.update(**_NOBODY, closed_at=Now(), outcome=outcome)


def close_as_read(referrals: "QuerySet[Referral]") -> bool:
    """End the task by a read, if it still waits and is among these."""
    waiting = referrals.filter(active=True)
    return bool(waiting.update(**_NOBODY, closed_at=Now(), outcome=Referral.Outcome.READ))


@on_decision
def _decided(image: Image) -> None:
    """Somebody labelled the scan or approved its label, wherever they did it: nobody need be asked again."""
    close_for(image.pk, Referral.Outcome.DECIDED)


@on_undo
def _asked_again(image: Image, said_at: datetime) -> None:
    """What was decided is taken back: the referral that it ended waits again, at its old place."""
    last = Referral.objects.filter(image=image.pk).order_by("-pk").first()
    if last is None or last.outcome != Referral.Outcome.DECIDED or last.closed_at is None:
        return
    if last.closed_at < said_at - _CLOCKS:
        return
    try:
        with transaction.atomic():
            Referral.objects.filter(pk=last.pk, active=None).update(active=True, closed_at=None, outcome=None)
    except IntegrityError:
        # A worker referred the scan anew at this moment: it waits.
        return
