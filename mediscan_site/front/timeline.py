"""What happened to one scan, oldest first, told from the append-only rows themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser

from images.models import Image
from labeling.models import ImportFile, Label, Review, SnapshotMember
from labeling.policies import covered, visible_labels, visible_reviews
from mediscan_site.core.models import User, WorkStatus
from models_registry.models import Feedback, Grade, ReferralRead
from models_registry.selectors import refer_reasons


@dataclass(frozen=True)
class Moment:
    """`kind` is one of upload, import, label, review, dataset, grade, read, feedback; `actor` a user name or empty."""

    at: datetime
    kind: str
    text: str
    actor: str = ""
    comment: str = ""
    object: str = ""


def of_scan(image: Image, user: User | AnonymousUser) -> list[Moment]:
    """Every moment of the scan in the order it happened; rows of the same instant in the order of their kind. What others said
    stays covered from whoever may still have to read the scan."""
    moments = [
        Moment(
            image.upload_date, "upload", f"uploaded as {image.file_name}", image.uploaded_by.username, object=image.code
        )
    ]
    parts: list[Iterator[Moment]] = [_imports(image), _labels(image, user), _reviews(image, user)]
    if Image.objects.filter(covered(user), pk=image.pk).exists():
        parts += [_grades(image)]
    else:
        parts += [_snapshots(image), _grades(image), _reads(image), _feedback(image)]
    for part in parts:
        moments.extend(part)
    return sorted(moments, key=lambda moment: moment.at)


def _imports(image: Image) -> Iterator[Moment]:
    for row in ImportFile.objects.filter(image=image).select_related("batch__created_by"):
        created = row.outcome == ImportFile.Outcome.CREATED
        text = f"came with import {row.batch_id}" if created else f"met again in import {row.batch_id}: {row.outcome}"
        by = row.batch.created_by.username
        yield Moment(row.batch.created_at, "import", text, by, row.detail, object=str(row.batch_id))


def _labels(image: Image, user: User | AnonymousUser) -> Iterator[Moment]:
    rows = visible_labels(user).filter(image=image)
    for row in rows.select_related("label_class", "reader", "through", "decision__undone", "read"):
        reading = row.label_class.name if row.label_class else f"ungradable: {row.ungradable_reason}"
        text = f"labelled {reading}" if row.source == Label.Source.DOCTOR else f"labelled {reading} (from {row.source})"
        if row.through:
            text += f", with a service token that {row.through.username} made"
        told = f"{text}; taken back since" if row.is_taken_back else text
        yield Moment(row.annotation_date, "label", told, _name(row.reader), row.comment, object=str(row.pk))
        yield from _taken_back(row, "label", text)


def _reviews(image: Image, user: User | AnonymousUser) -> Iterator[Moment]:
    rows = visible_reviews(user).filter(image=image)
    for row in rows.select_related("reviewer", "new_label__label_class", "decision__undone"):
        new = row.new_label.label_class if row.new_label else None
        text = f"label {row.status}" + (f" to {new.name}" if new else "")
        told = f"{text}; taken back since" if row.is_taken_back else text
        yield Moment(row.created_at, "review", told, row.reviewer.username, row.comment, object=str(row.pk))
        yield from _taken_back(row, "review", text)


def _taken_back(row: Label | Review, kind: str, text: str) -> Iterator[Moment]:
    """When it was taken back, where that is on record; only whoever said it can."""
    decision = getattr(row, "decision", None)
    undone = getattr(decision, "undone", None)
    # A label that came of a review is taken back with it, and told once.
    if undone is not None and (kind == "review" or decision.review_id is None):
        by = row.reviewer if isinstance(row, Review) else row.reader
        yield Moment(undone.created_at, kind, f"took back: {text}", _name(by), object=str(row.pk))


def _snapshots(image: Image) -> Iterator[Moment]:
    for row in SnapshotMember.objects.filter(image=image).select_related("snapshot__created_by", "label_class"):
        text = f"frozen into {row.snapshot.code} ({row.split}) as {row.label_class.name}"
        by = row.snapshot.created_by.username
        yield Moment(row.snapshot.created_at, "dataset", text, by, object=row.snapshot.code)


def _grades(image: Image) -> Iterator[Moment]:
    for row in Grade.objects.filter(image=image, blind=False).select_related("model", "prediction", "requested_by"):
        at = row.finished_at or row.created_at
        yield Moment(at, "grade", _grade_text(row), row.requested_by.username, row.error, object=str(row.pk))


def _grade_text(row: Grade) -> str:
    if row.status != WorkStatus.SUCCEEDED:
        return f"grade by {row.model.code}: {row.status}"
    answer = row.prediction.name if row.prediction else "nothing"
    if row.decision == Grade.Decision.ANSWER:
        return f"graded by {row.model.code}: {answer}, answered"
    why = " ".join(reason.sentence for reason in refer_reasons(row))
    return f"graded by {row.model.code}: {answer}, referred. {why}".rstrip()


def _reads(image: Image) -> Iterator[Moment]:
    """Of referrals. A read that became a label is told with it; here also what became none."""
    for row in ReferralRead.objects.filter(referral__image=image).select_related("reader", "label_class"):
        reading = row.label_class.name if row.label_class else f"ungradable: {row.ungradable_reason}"
        held = " (a scan of a test split: held for an administrator)" if row.held_for_admin else ""
        text = f"referred scan read as {reading}{held}"
        yield Moment(row.created_at, "read", text, row.reader.username, row.comment, object=str(row.referral_id))


def _feedback(image: Image) -> Iterator[Moment]:
    for row in Feedback.objects.filter(grade__image=image).select_related("author", "correct_class"):
        wrong = f"grade is wrong, {row.correct_class.name} is right" if row.correct_class else "grade is wrong"
        text = "grade is right" if row.correct else wrong
        yield Moment(row.created_at, "feedback", text, row.author.username, row.comment, object=str(row.grade_id))


def _name(user: Any) -> str:
    return user.username if user else ""
