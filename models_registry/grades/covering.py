"""Read first, then reveal: where a project says so, pages keep a model's answer covered until the doctor has given their own.

Uncovered by any opinion of the same person that came without the answer: a first read, a blind read, a read of the referral, a
label of the scan (`selectors.with_covered`). What the API gives is for machines and stays open."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from images.models import ProjectClass
from images.policies import require
from labeling.policies import require_class
from mediscan_site.core import audit
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User, WorkStatus
from models_registry.grades.feedback import give_feedback
from models_registry.grades.measuring import group_of
from models_registry.models import FirstRead, Grade, ModelVersion
from models_registry.selectors import with_covered


def read_first(*, actor: User, grade: Grade, label_class: ProjectClass | None) -> FirstRead:
    """What the actor sees on the scan, before the answer is uncovered; None: they cannot tell. Kept for good.

    Raises Conflict `grade_not_ready`, `not_covered` (this project, or what the actor said before, has uncovered it already)."""
    require(actor, "grade_image", grade.project)
    if label_class is not None:
        require_class(grade.project, label_class)
    if grade.status != WorkStatus.SUCCEEDED:
        raise Conflict("This grade has no answer yet. Wait until it has succeeded.", code="grade_not_ready")
    if not with_covered(Grade.objects.filter(pk=grade.pk), actor).get().covered:
        raise Conflict("The answer is not covered, so your read would not come first.", code="not_covered")
    try:
        with transaction.atomic():
            row = FirstRead.objects.create(grade=grade, reader=actor, read_class=label_class)
            details = {"class": label_class.pk if label_class else None}
            audit.record("grade.read_first", actor=actor, obj=grade, project=grade.project_id, details=details)
    except IntegrityError:
        raise Conflict("You have read this scan already.", code="not_covered") from None
    return row


def settle(*, actor: User, grade: Grade, label_class: ProjectClass) -> FirstRead:
    """What the actor says now that they have seen the answer, once: it is their feedback on the grade too.

    Raises Conflict `not_read_first`, `settled`."""
    require(actor, "grade_image", grade.project)
    row = FirstRead.objects.filter(grade=grade, reader=actor).first()
    if row is None:
        raise Conflict("Read the scan first: the answer is uncovered after that.", code="not_read_first")
    agrees = label_class.pk == grade.prediction_id
    with transaction.atomic():
        mine = FirstRead.objects.filter(pk=row.pk, settled_at__isnull=True)
        if not mine.update(final_class=label_class, settled_at=timezone.now()):
            raise Conflict("You have said so already. It is never changed.", code="settled")
        give_feedback(actor=actor, grade=grade, correct=agrees, correct_class=None if agrees else label_class)
        details = {"class": label_class.pk}
        audit.record("grade.settle", actor=actor, obj=grade, project=grade.project_id, details=details)
    return FirstRead.objects.select_related("read_class", "final_class").get(pk=row.pk)


def of_reader(grade: Grade, user: Any) -> FirstRead | None:
    rows = FirstRead.objects.filter(grade=grade, reader=user.pk or 0)
    return rows.select_related("read_class", "final_class").first()


def figures(model: ModelVersion) -> dict[str, Any]:
    """Of answers that doctors read before they saw them, how often they agreed, and of those where they did not, how often they
    kept their own (`overridden`) or took the model's (`followed`); `reads`, `settled`: how many there are."""
    rows = list(
        FirstRead.objects.filter(
            grade__model=model, grade__decision=Grade.Decision.ANSWER, grade__image__erased_at=None
        )
        .select_related("grade__image")
        .order_by("pk")
    )
    settled = [row for row in rows if row.settled_at is not None]
    differed = [row for row in settled if row.read_class_id != row.grade.prediction_id]
    return {
        "reads": len(rows),
        "settled": len(settled),
        "agreed": _share([row.read_class_id == row.grade.prediction_id for row in rows], rows),
        "overridden": _share([row.final_class_id != row.grade.prediction_id for row in differed], differed),
        "followed": _share([row.final_class_id == row.grade.prediction_id for row in differed], differed),
    }


def _share(flags: Sequence[bool], rows: Sequence[FirstRead]) -> dict[str, Any]:
    from models_registry.statistics.shares import share

    return share(flags, [group_of(row.grade.image) for row in rows])
