"""The rows of labels: the next one of a scan, how long its reader took, and its line in the audit trail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from images.models import ApprovalStatus, Image
from labeling.models import Label, Lease
from labeling.reading.change import Current
from mediscan_site.core import audit
from mediscan_site.core.http.context import token_maker
from mediscan_site.core.models import User

LEASE = timedelta(minutes=10)


@dataclass(frozen=True)
class LabelOutcome:
    """`image` as it now is, its current label, and whether anything changed. Of a read that is one of several, `label` is what
    this reader said."""

    image: Image
    label: Label | None
    changed: bool


def append(current: Current, actor: User, **values: Any) -> Label:
    """The next label row of the scan, unsaved. A new round begins when the label before it was decided or withdrawn."""
    last = Label.objects.filter(image=current.image).order_by("-id").first()
    open_round = last is not None and last == current.label and current.state.approval == ApprovalStatus.PENDING
    number = 1 if last is None else last.round + (not open_round)
    return row(current.image, actor, round=number, **values)


def row(image: Image, actor: User, **values: Any) -> Label:
    through = token_maker() if values.get("reader") else None
    seconds = seconds_of(image, actor) if values.get("source") == Label.Source.DOCTOR else None
    return Label(image=image, through_id=through, seconds=seconds, **values)


def seconds_of(image: Image, actor: User) -> int | None:
    """How long the reader had this scan before them: since it was handed to them or, as the next scan is handed out early, since
    what they saved before. At most as long as a lease lasts; None for what they did not have from a queue."""
    lease = Lease.objects.filter(image=image, holder=actor, task=Lease.Task.LABEL).first()
    if lease is None:
        return None
    begun = lease.expires_at - LEASE
    before = Label.objects.filter(reader=actor, annotation_date__gt=begun).order_by("-annotation_date").first()
    spent = timezone.now() - max(begun, before.annotation_date if before else begun)
    return round(min(max(spent, timedelta()), LEASE).total_seconds())


def mark_taken_back(label: int | None) -> None:
    if label is not None:
        Label.objects.filter(pk=label).update(taken_back=True)


def said_same(label: Label, values: dict[str, Any]) -> bool:
    """Whether the row says what is said now: the same class, or ungradable for the same reason."""
    now = getattr(values.get("label_class"), "pk", None), values.get("ungradable_reason", "")
    return (label.label_class_id, label.ungradable_reason) == now


def record_label(image: Image, actor: User, label: Label) -> None:
    audit.record("label.create", actor=actor, obj=image, project=image.project_id, details=label_details(label))


def label_details(label: Label) -> dict[str, Any]:
    return {"label": label.pk, "class": label.label_class_id, "source": str(label.source)}
