"""The scans of an acceptance test: which may be in it, why others may not, and drawing them. Reading comes before grading, and
the grades stay hidden, so neither a reader nor the version knows of the other."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from images.frames import unchosen_of
from images.models import ApprovalStatus, Image
from labeling.models import Label, Reference
from mediscan_site.core import audit, work
from mediscan_site.core.models import ACTIVE, WorkStatus
from mediscan_site.core.storage import ring
from models_registry.models import AcceptanceCase, AcceptanceTest, Grade
from models_registry.versions import lineage, places

PURPOSE: Final = "acceptance lots"
# So many grades of a test wait at once: others' grades and the admin's own are not put behind hundreds.
PORTION: Final = 40
SHOWN: Final = 20
# A change may be committed so much after others; and so often the whole place is walked though nothing was left.
LATE: Final = timedelta(minutes=10)
WHOLE_AGAIN: Final = timedelta(hours=1)
# By test: when this process last walked the whole place, and when it last found no scan left to draw.
_exhausted: dict[tuple[int, datetime], tuple[datetime, datetime | None]] = {}
MODELS_OWN: Final = (Label.Source.GRADE, Label.Source.FEEDBACK)


@dataclass(frozen=True)
class LeftOut:
    """Scans of the place that cannot count: why, how many, and the first of them by code."""

    reason: str
    n: int
    scans: list[str]


def here(test: AcceptanceTest) -> QuerySet[Image]:
    """The scans of the test's place, with `read_label`: the key of the label that counts for each."""
    place = places.Place(test.site, test.device)
    scans = Image.objects.filter(places.scans_of(test.project_id, place), project=test.project_id)
    return scans.filter(erased_at__isnull=True).annotate(read_label=F("reference__label"))


def left_out(test: AcceptanceTest) -> list[LeftOut]:
    """By reason; a scan has the first one that holds for it."""
    rest, found = here(test), []
    for reason, condition in _refusals(test):
        chosen = rest.filter(condition)
        count = chosen.count()
        if count:
            found.append(LeftOut(reason, count, [scan.code for scan in chosen.order_by("pk")[:SHOWN]]))
            rest = rest.exclude(pk__in=chosen.values("pk"))
    return found


def candidates(test: AcceptanceTest) -> QuerySet[Image]:
    """Those that may still be drawn."""
    scans = here(test).exclude(pk__in=AcceptanceCase.objects.filter(test=test).values("image"))
    for _, condition in _refusals(test):
        scans = scans.exclude(pk__in=here(test).filter(condition).values("pk"))
    return scans


def _refusals(test: AcceptanceTest) -> list[tuple[str, Q]]:
    known = [entry["id"] for entry in test.model.classes]
    in_time = Q(approval_status=ApprovalStatus.APPROVED) | Q(reference__label__annotation_date__gte=test.created_at)
    seen = Grade.objects.filter(
        image=OuterRef("pk"),
        status=WorkStatus.SUCCEEDED,
        blind=False,
        finished_at__lt=OuterRef("reference__label__annotation_date"),
    )
    return [
        ("the version has learned from it, from a copy or from its patient", lineage.learned_scans(test.model)),
        ("it is held back until somebody has looked at it", ~Q(hold="")),
        ("nobody has said which of its frames count", Q(pk__in=unchosen_of(here(test), test.project))),
        ("no doctor has read it yet", Q(reference__isnull=True)),
        ("its label came from a model's answer", Q(reference__label__source__in=MODELS_OWN)),
        ("it was found ungradable", Q(reference__label__label_class__isnull=True)),
        ("it has a class that the version does not know", ~Q(reference__label__label_class__in=known)),
        ("it was neither approved nor read after the test was begun", ~in_time),
        ("an answer about it was shown before it was read", Q(Exists(seen))),
    ]


def lot(test: AcceptanceTest, image_id: int) -> bytes:
    """By what the scans are put in order: nobody can choose them."""
    key = ring.current().derived(PURPOSE)
    return hmac.digest(key, f"{test.pk}\n{image_id}".encode(), "sha256")


def graded(test: AcceptanceTest) -> QuerySet[AcceptanceCase]:
    """The cases that count: those with an answer, whose scan was not erased."""
    return test.cases.filter(grade__status=WorkStatus.SUCCEEDED, image__erased_at__isnull=True)


def is_complete(test: AcceptanceTest) -> bool:
    return graded(test).count() >= test.wanted


def draw(test: AcceptanceTest) -> int:
    """Draw what is missing and have it graded, a portion at a time; returns how many were drawn. Nothing for a decided test."""
    if not AcceptanceTest.objects.filter(pk=test.pk, active=True).exists():
        return 0
    waiting = test.cases.filter(grade__status__in=ACTIVE).count()
    wanted = min(test.wanted - graded(test).count() - waiting, PORTION - waiting)
    if wanted <= 0:
        return 0
    keys = sorted(_new_candidates(test, wanted), key=lambda pk: lot(test, pk))[:wanted]
    labels = dict(Reference.objects.filter(image__in=keys).values_list("image", "label"))
    rounds = Grade.objects.filter(status=WorkStatus.QUEUED).aggregate(first=Min("turn"))["first"] or 0
    return sum(_take(test, pk, labels.get(pk), rounds + place) for place, pk in enumerate(keys, start=1))


def _new_candidates(test: AcceptanceTest, wanted: int) -> list[int]:
    """Those that may be drawn. Where all there were are drawn, only a scan that has changed since can be one more: the look of
    every minute does not walk the place. Now and then it does all the same."""
    key, now, scans = (test.pk, test.created_at), timezone.now(), candidates(test)
    whole, last = _exhausted.pop(key, (now, None))
    if last is None or now - whole >= WHOLE_AGAIN:
        whole = now
    else:
        scans = scans.filter(updated_at__gte=last - LATE)
    found = list(scans.values_list("pk", flat=True))
    if len(found) <= wanted:
        _exhausted[key] = whole, now
    return found


def _take(test: AcceptanceTest, image_id: int, label_id: int | None, turn: int) -> bool:
    """One case and its hidden grade. False when it was drawn at the same moment by somebody else, or lost its label."""
    if label_id is None:
        return False
    given: dict[str, Any] = {"project": test.project, "model": test.model, "requested_by": test.created_by}
    try:
        with transaction.atomic():
            grade = Grade.objects.create(image_id=image_id, blind=True, turn=turn, **given)
            AcceptanceCase.objects.create(test=test, image_id=image_id, label_id=label_id, grade=grade)
            details = {"image": image_id, "model": test.model_id, "acceptance_test": test.pk}
            audit.record("grade.request", actor=test.created_by, obj=grade, project=test.project_id, details=details)
            work.wake(grade)
    except IntegrityError:
        return False
    return True


def draw_for_all() -> None:
    """Go on with every open test: what doctors have read since, and the next portion."""
    for test in AcceptanceTest.objects.filter(active=True).select_related("project", "model", "created_by"):
        draw(test)
