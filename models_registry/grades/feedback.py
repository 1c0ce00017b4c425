"""A doctor's answer to a grade."""

from django.db import transaction

from images.models import Image, ProjectClass, Split
from images.policies import can, require
from labeling.models import Label, SnapshotMember
from labeling.reading.labels import label_scan
from mediscan_site.core import audit
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User, WorkStatus
from models_registry.models import Feedback, Grade


def give_feedback(
    *, actor: User, grade: Grade, correct: bool, correct_class: ProjectClass | None = None, comment: str = ""
) -> Feedback:
    """Right or wrong, and if wrong the class. Wrong with a class is the doctor's label proposal, except on a scan of a test
    split: a model's own mistakes must not choose which test labels are looked at again. "Right" is never a label: a reader
    who has seen the answer is not an independent reader."""
    require(actor, "grade_image", grade.project)
    _check(grade, correct=correct, correct_class=correct_class)
    held = correct_class is not None and in_test_split(grade.image)
    with transaction.atomic():
        label = None if held or correct_class is None else _propose(actor, grade, correct_class, comment)
        feedback = Feedback.objects.create(
            grade=grade,
            project_id=grade.project_id,
            author=actor,
            correct=correct,
            correct_class=correct_class,
            comment=comment,
            label=label,
            held_for_admin=held,
        )
        details = {"grade": grade.pk, "correct": correct, "held_for_admin": held}
        audit.record("feedback.create", actor=actor, obj=feedback, project=grade.project_id, details=details)
    return feedback


def in_test_split(image: Image) -> bool:
    """Whether the scan is meant for a test split or was in one of any snapshot."""
    if image.split == Split.TEST:
        return True
    return SnapshotMember.objects.filter(image=image, split=Split.TEST).exists()


def _check(grade: Grade, *, correct: bool, correct_class: ProjectClass | None) -> None:
    if grade.status != WorkStatus.SUCCEEDED:
        raise Conflict(
            "This grade has no answer yet. Wait until it has succeeded.", code="grade_not_ready", attr="grade"
        )
    if correct_class is None:
        return
    if correct:
        raise Invalid("A correct grade needs no other class. Leave correct_label out.", attr="correct_label")
    if correct_class.project_id != grade.project_id or correct_class.retired_at is not None:
        raise Invalid("This is not a class of the project.", code="does_not_exist", attr="correct_label")
    if correct_class.pk == grade.prediction_id:
        raise Invalid(
            "This is the class that the model predicted. Send correct: true, or name another.", attr="correct_label"
        )


def _propose(actor: User, grade: Grade, correct_class: ProjectClass, comment: str) -> Label | None:
    """The doctor's label, or None: someone who may not label only has an opinion, and a class the scan already has adds nothing."""
    if not can(actor, "label_image", grade.project):
        return None
    outcome = label_scan(
        actor=actor, image=grade.image, label_class=correct_class, comment=comment, source=Label.Source.FEEDBACK
    )
    return outcome.label if outcome.changed else None
