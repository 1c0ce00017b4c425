"""What happened to one scan, oldest first, told from the append-only rows themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from images.models import Image
from labeling.models import ImportFile, Label, Review, SnapshotMember
from mediscan_site.core.models import WorkStatus
from models_registry.models import Feedback, Grade
from models_registry.selectors import refer_reasons


@dataclass(frozen=True)
class Moment:
    """`kind` is one of upload, import, label, review, dataset, grade, feedback; `actor` a user name or empty."""

    at: datetime
    kind: str
    text: str
    actor: str = ""
    comment: str = ""
    object: str = ""


def of_scan(image: Image) -> list[Moment]:
    """Every moment of the scan in the order it happened; rows of the same instant in the order of their kind."""
    moments = [
        Moment(
            image.upload_date, "upload", f"uploaded as {image.file_name}", image.uploaded_by.username, object=image.code
        )
    ]
    for part in (_imports, _labels, _reviews, _snapshots, _grades, _feedback):
        moments.extend(part(image))
    return sorted(moments, key=lambda moment: moment.at)


def _imports(image: Image) -> Iterator[Moment]:
    for row in ImportFile.objects.filter(image=image).select_related("batch__created_by"):
        created = row.outcome == ImportFile.Outcome.CREATED
        text = f"came with import {row.batch_id}" if created else f"met again in import {row.batch_id}: {row.outcome}"
        by = row.batch.created_by.username
        yield Moment(row.batch.created_at, "import", text, by, row.detail, object=str(row.batch_id))


def _labels(image: Image) -> Iterator[Moment]:
    for row in Label.objects.filter(image=image).select_related("label_class", "reader", "through"):
        reading = row.label_class.name if row.label_class else f"ungradable: {row.ungradable_reason}"
        text = f"labelled {reading}" if row.source == Label.Source.DOCTOR else f"labelled {reading} (from {row.source})"
        if row.through:
            text += f", with a service token that {row.through.username} made"
        yield Moment(row.annotation_date, "label", text, _name(row.reader), row.comment, object=str(row.pk))


def _reviews(image: Image) -> Iterator[Moment]:
    for row in Review.objects.filter(image=image).select_related("reviewer", "new_label__label_class"):
        new = row.new_label.label_class if row.new_label else None
        text = f"label {row.status}" + (f" to {new.name}" if new else "")
        yield Moment(row.created_at, "review", text, row.reviewer.username, row.comment, object=str(row.pk))


def _snapshots(image: Image) -> Iterator[Moment]:
    for row in SnapshotMember.objects.filter(image=image).select_related("snapshot__created_by", "label_class"):
        text = f"frozen into {row.snapshot.code} ({row.split}) as {row.label_class.name}"
        by = row.snapshot.created_by.username
        yield Moment(row.snapshot.created_at, "dataset", text, by, object=row.snapshot.code)


def _grades(image: Image) -> Iterator[Moment]:
    for row in Grade.objects.filter(image=image).select_related("model", "prediction", "requested_by"):
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


def _feedback(image: Image) -> Iterator[Moment]:
    for row in Feedback.objects.filter(grade__image=image).select_related("author", "correct_class"):
        wrong = f"grade is wrong, {row.correct_class.name} is right" if row.correct_class else "grade is wrong"
        text = "grade is right" if row.correct else wrong
        yield Moment(row.created_at, "feedback", text, row.author.username, row.comment, object=str(row.grade_id))


def _name(user: Any) -> str:
    return user.username if user else ""
