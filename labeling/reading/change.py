"""The one way a scan changes its state: read it, decide, and write with a condition on the version that was read."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images.models import ApprovalStatus, Image, ProjectClass
from labeling.models import Decision, Label, LabelDoubt, Lease, Reference
from labeling.reading import settling
from labeling.reading.said_by import is_open, noted, spoken_of
from labeling.reading.states import Action, State, next_state
from mediscan_site.core.errors import Conflict, NotFound, Stale
from mediscan_site.core.http.context import token_maker
from mediscan_site.core.models import User

T = TypeVar("T")
TRIES = 5
CHANGED = "The scan was changed meanwhile. Load it again and repeat your change."


# What later apps do when a person has decided what a scan is, in the transaction of the decision.
DecisionHook = Callable[[Image], None]
_decision_hooks: list[DecisionHook] = []


def on_decision(hook: DecisionHook) -> DecisionHook:
    """Register (also as a decorator) what follows when somebody gives a scan a new label or approves the one it has."""
    if hook not in _decision_hooks:
        _decision_hooks.append(hook)
    return hook


# The same when it is taken back. The time: of what is taken back.
UndoHook = Callable[[Image, datetime], None]
_undo_hooks: list[UndoHook] = []


def on_undo(hook: UndoHook) -> UndoHook:
    """Register (also as a decorator) what follows when somebody takes their label or review of a scan back."""
    if hook not in _undo_hooks:
        _undo_hooks.append(hook)
    return hook


def tell_undone(image: Image, said_at: datetime) -> None:
    for hook in _undo_hooks:
        hook(image, said_at)


class Lost(Exception):
    """Somebody else wrote the scan between our read and our write."""


@dataclass(frozen=True)
class Current:
    """A scan as read inside the transaction that changes it, its current label, and the doubt about it."""

    image: Image
    label: Label | None
    doubt: LabelDoubt | None = None

    @property
    def state(self) -> State:
        return State(self.image.label_status, self.image.approval_status)  # type: ignore[arg-type]

    def repeats(self, label_class: ProjectClass | None, reason: str = "") -> bool:
        """True when the current label says exactly this."""
        label = self.label
        return label is not None and (label.label_class, label.ungradable_reason) == (label_class, reason)

    def is_own(self, actor: User) -> bool:
        """True when four-eyes applies: the project has it, and the actor made the current label. Whoever made the service
        token in use could be the actor, then and now."""
        if not self.image.project.four_eyes or self.label is None:
            return False
        return not {self.label.reader_id, self.label.through_id}.isdisjoint({actor.pk, token_maker()} - {None})


def change(image: Image, *, expected_version: int | None, decide: Callable[[Current], T]) -> T:
    """Run `decide` on the scan as it is now, in one transaction. A lost race is tried again unless the caller named a version.

    Raises Stale when the scan is not at `expected_version`, NotFound when it was erased."""
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                current = _read(image.pk)
                if expected_version is not None and current.image.version != expected_version:
                    raise Stale(CHANGED)
                return decide(current)
        except Lost:
            if expected_version is not None:
                raise Stale(CHANGED) from None
    raise Conflict("Others are changing this scan right now. Try again.")


def _read(pk: int) -> Current:
    scans = Image.objects.select_related("project", "reference__label__label_class", "label_doubt")
    image = scans.filter(pk=pk, erased_at__isnull=True).first()
    if image is None:
        raise NotFound("This scan no longer exists.")
    reference: Reference | None = getattr(image, "reference", None)
    return Current(image, reference.label if reference else None, getattr(image, "label_doubt", None))


def step(current: Current, action: Action, *, actor: User) -> State:
    """The next state by the table of states; raises the refusals of the table."""
    return next_state(action, current.state, own=current.is_own(actor))


def write(current: Current, state: State, *, label: Label | None) -> None:
    """Move the scan, with its columns and its pointer on `label` (saved here when new), or lose the race."""
    image = current.image
    columns = _columns(state, label.label_class if label else None, label.reader if label else None)
    if is_open(state):
        # Its readers are counted: none may come in between.
        hold(current)
    columns["said_by"] = spoken_of(image, state, label)
    rows = Image.objects.filter(pk=image.pk, version=image.version, erased_at__isnull=True)
    if not rows.update(version=F("version") + 1, **columns):
        raise Lost
    new = label is not None and label._state.adding
    if label is None:
        Reference.objects.filter(image=image).delete()
    elif label != current.label:
        if new:
            label.save(force_insert=True)
        Reference.objects.update_or_create(image=image, defaults={"label": label})
    Lease.objects.filter(image=image).delete()
    LabelDoubt.objects.filter(image=image).delete()
    _show(image, columns)
    if new or (label is not None and state.approval == ApprovalStatus.APPROVED):
        for hook in _decision_hooks:
            hook(image)


def remember(current: Current, before: State, actor: User, *, task: str, **about: Any) -> None:
    """What the actor has just written over, for `undo`. `about`: the new label, the review, and what else is known better."""
    known = {"label_before": current.label, "doubt_before": settling.as_kept(current.doubt), **about}
    Decision.objects.create(
        image=current.image,
        actor=actor,
        task=task,
        scan_version=current.image.version,
        approval_before=before.approval,
        **known,
    )


def hold(current: Current) -> None:
    """Until this transaction ends nobody else reads or changes this scan, or the race is lost: what is counted now stays so.
    SQLite has no locks of rows; there a transaction that writes is alone anyway."""
    rows = Image.objects.select_for_update().filter(pk=current.image.pk, version=current.image.version)
    if not rows.values_list("pk", flat=True):
        raise Lost


def write_fresh(pairs: Sequence[tuple[Image, ProjectClass]], state: State, reader: User) -> None:
    """Move scans that this transaction made to their first class: one statement for each class."""
    images: dict[ProjectClass, list[Image]] = defaultdict(list)
    for image, label_class in pairs:
        images[label_class].append(image)
    people = {pk for pk in (reader.pk, token_maker()) if pk is not None}
    for label_class, group in images.items():
        said_by = noted(label_class.project_id, people, 0)
        columns = _columns(state, label_class, reader) | {"said_by": said_by}
        Image.objects.filter(pk__in=[image.pk for image in group]).update(version=F("version") + 1, **columns)
        for image in group:
            _show(image, columns)


def _columns(state: State, label_class: ProjectClass | None, reader: User | None) -> dict[str, Any]:
    return {
        "label_status": state.label,
        "approval_status": state.approval,
        "label_class": label_class,
        "annotator": reader,
        "updated_at": timezone.now(),
    }


def _show(image: Image, columns: dict[str, Any]) -> None:
    """Bring the object in line with its row."""
    for name, value in columns.items():
        setattr(image, name, value)
    image.version += 1
