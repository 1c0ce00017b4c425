"""Labelling: a reading becomes an append-only row, and the scan's pointer moves to it."""

from collections.abc import Sequence
from typing import Any, Literal

from images.models import ApprovalStatus, Image, LabelStatus, Project, ProjectClass
from images.services.meaning import Classes, LabelRefused
from labeling.models import Label, Lease, Reference
from labeling.policies import require, require_class
from labeling.reading import several
from labeling.reading.change import Current, change, remember, step, write, write_fresh
from labeling.reading.rows import LabelOutcome, append, label_details, mark_taken_back, record_label
from labeling.reading.states import Action, State, next_state
from mediscan_site.core import audit, text
from mediscan_site.core.database import insert_all, save_all
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.context import token_maker
from mediscan_site.core.models import User

__all__ = [
    "LabelOutcome",
    "append",
    "label_fresh",
    "label_scan",
    "mark_ungradable",
    "parse_class",
    "record_label",
    "withdraw_label",
]
MAX_REASON = 200


def label_scan(
    *,
    actor: User,
    image: Image,
    label_class: ProjectClass,
    comment: str = "",
    source: Label.Source = Label.Source.DOCTOR,
    confidence: float | None = None,
    expected_version: int | None = None,
    reader: User | Literal["actor"] | None = "actor",
) -> LabelOutcome:
    """Give the scan this class. The same class again changes nothing. `reader` None: the model itself said so. Where a project
    wants several readers, what a doctor says is their own read of the scan (labeling.reading.several).

    Raises Invalid (attr `label`) for a class of another project or a retired one, Stale."""
    # Accepting a grade as a label is part of a review.
    require(actor, "review_label" if source == Label.Source.GRADE else "label_image", image.project)
    require_class(image.project, label_class)
    values = {
        "label_class": label_class,
        "reader": actor if reader == "actor" else reader,
        "source": source,
        "confidence_score": confidence,
        "comment": text.paragraphs(comment, attr="comment"),
    }
    return change(
        image,
        expected_version=expected_version,
        decide=lambda current: _relabel(
            current, actor, values, Action.LABEL_SAME if current.repeats(label_class) else Action.LABEL_NEW
        ),
    )


def label_fresh(
    *, actor: User, project: Project, pairs: Sequence[tuple[Image, ProjectClass]], source: Label.Source
) -> None:
    """Give scans that the caller's own transaction has just saved their first label: nobody else knows them yet."""
    if not pairs:
        return
    require(actor, "label_image", project)
    for label_class in {label_class for _, label_class in pairs}:
        require_class(project, label_class)
    state = next_state(Action.LABEL_NEW, State(LabelStatus.UNLABELED, ApprovalStatus.PENDING), own=False)
    write_fresh(pairs, state, actor)
    given = {"reader": actor, "through_id": token_maker(), "source": source}
    labels = [Label(image=image, label_class=label_class, **given) for image, label_class in pairs]
    save_all(labels)
    insert_all([Reference(image=label.image, label=label) for label in labels])
    about = [(label.image, label_details(label)) for label in labels]
    audit.record_many("label.create", actor=actor, project=project.pk, about=about)


def mark_ungradable(
    *, actor: User, image: Image, reason: str, comment: str = "", expected_version: int | None = None
) -> LabelOutcome:
    """Say that nobody can tell a class from this scan, and why. It can be reviewed; it never trains a model."""
    require(actor, "label_image", image.project)
    why = text.line(reason, attr="ungradable", max_length=MAX_REASON, required=True)
    values = {
        "ungradable_reason": why,
        "reader": actor,
        "source": Label.Source.DOCTOR,
        "comment": text.paragraphs(comment, attr="comment"),
    }
    return change(
        image,
        expected_version=expected_version,
        decide=lambda current: _relabel(
            current, actor, values, Action.UNGRADABLE_SAME if current.repeats(None, why) else Action.UNGRADABLE_NEW
        ),
    )


def _relabel(current: Current, actor: User, values: dict[str, Any], action: Action) -> LabelOutcome:
    """What was said becomes the scan's label, unless it is one read of several, or one that only measures the reader."""
    if values["source"] == Label.Source.DOCTOR and (read := several.take(current, actor, values)) is not None:
        return read
    state = step(current, action, actor=actor)
    if action in (Action.LABEL_SAME, Action.UNGRADABLE_SAME):
        return LabelOutcome(current.image, current.label, changed=False)
    before, label = current.state, append(current, actor, **values)
    write(current, state, label=label)
    if label.source == Label.Source.DOCTOR:
        remember(current, before, actor, task=Lease.Task.LABEL, label=label)
    record_label(current.image, actor, label)
    return LabelOutcome(current.image, label, changed=True)


def withdraw_label(*, actor: User, image: Image, expected_version: int | None = None) -> LabelOutcome:
    """Take the current label back: the scan is unlabelled again, the row stays in its history, and is marked if the actor is its
    reader. While several readers read it: the actor's own read."""
    require(actor, "label_image", image.project)

    def decide(current: Current) -> LabelOutcome:
        if (own := several.withdraw(current, actor)) is not None:
            return own
        state = step(current, Action.WITHDRAW, actor=actor)
        if current.label is None:
            return LabelOutcome(current.image, None, changed=False)
        write(current, state, label=None)
        if current.label.reader_id == actor.pk:
            mark_taken_back(current.label.pk)
        details = {"label": current.label.pk}
        audit.record(
            "label.withdraw", actor=actor, obj=current.image, project=current.image.project_id, details=details
        )
        return LabelOutcome(current.image, None, changed=True)

    return change(image, expected_version=expected_version, decide=decide)


def parse_class(project: Any, value: Any, *, attr: str = "label") -> ProjectClass:
    """The project's class that a label means (images.services.meaning). Invalid: `unknown_class`, `ambiguous_class`."""
    said = text.line(value, attr=attr, max_length=120, required=True)
    try:
        name = Classes.of(project).meaning(said)
    except LabelRefused as error:
        raise Invalid(error.detail, attr=attr, code=error.code) from error
    label_class = ProjectClass.objects.get(project=project, name=name)
    require_class(project, label_class, attr=attr)
    return label_class
