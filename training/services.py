"""The use cases of training: start a run, cancel a run, look at what its network sees."""

from functools import partial
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import Count

from images.models import Project, Split
from images.policies import VIEW, require
from labeling.datasets import splits
from labeling.datasets.freezing import foresee, freeze_snapshot
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core import audit, shares, work
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage.opening import open_audited
from models_registry.models import ModelVersion
from models_registry.versions.fairness import require_fair, require_separated
from training import planning
from training.models import TrainingRun
from training.scans import Scans
from training.wishes import Wishes

CANCELLED_EARLY = "Cancelled before it started."


def start_run(
    *,
    actor: User,
    project: Project,
    wishes: Wishes,
    snapshot: Snapshot | None = None,
) -> TrainingRun:
    """A queued run on this data set (None: the approved scans, frozen now).

    Raises Conflict `run_active`, `not_enough_data`, `test_leak` or `weights_missing`; Invalid names the setting that is out
    of range.
    """
    require(actor, "train_model", project)
    _refuse_second(project)
    # What is refused must leave nothing behind, so settings are looked at before a data set is frozen, and it before it stands.
    planning.plan(project, wishes, n_train=1)
    suits = partial(_require_suitable, wishes)
    dataset = snapshot or freeze_snapshot(actor=actor, project=project, suits=suits)
    if snapshot is not None:
        _require_usable(project, snapshot)
        suits(snapshot)
    config = planning.foresee(project, wishes, Scans.of_snapshot(dataset)).config
    return _create(actor, project, dataset, wishes.base_model, config)


def plan_run(
    *,
    actor: User,
    project: Project,
    wishes: Wishes,
    snapshot: Snapshot | None = None,
) -> planning.Plan:
    """What `start_run` would start now, and how long it would take. Nothing is started, and no data set is frozen.

    Raises as `start_run` does, but for another run's being active: a plan may be looked at meanwhile. What is asked of a frozen
    data set (patients for the folds, the classes of a version, leaks) is asked of `snapshot`; without one the start asks."""
    require(actor, "train_model", project)
    planning.plan(project, wishes, n_train=1)
    if snapshot is None:
        scans = Scans.of_frozen(foresee(actor=actor, project=project))
    else:
        _require_usable(project, snapshot)
        _require_suitable(wishes, snapshot)
        scans = Scans.of_snapshot(snapshot)
    return planning.foresee(project, wishes, scans)


def _refuse_second(project: Project) -> None:
    active = TrainingRun.objects.filter(project=project, active=True).first()
    if active is not None:
        raise Conflict(
            f"{active.code} is {active.status} in this project. Wait for it, or cancel it first.", code="run_active"
        )


def _require_usable(project: Project, snapshot: Snapshot) -> None:
    """Conflict when the scans that still exist are no longer (or not) enough."""
    if snapshot.project_id != project.pk:
        raise Invalid("This data set belongs to another project.", attr="dataset", code="does_not_exist")
    rows = SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=True)
    counts: dict[int, dict[str, int]] = {entry["id"]: dict.fromkeys(Split.values, 0) for entry in snapshot.classes}
    for class_id, split, number in rows.values_list("label_class", "split").annotate(number=Count("pk")).order_by():
        counts[class_id][split] = number
    names = {entry["id"]: entry["name"] for entry in snapshot.classes}
    if missing := splits.shortfalls({names[pk]: sides for pk, sides in counts.items()}):
        raise Conflict(
            f"{snapshot.code} has not enough scans left: {'; '.join(missing)}. Leave dataset out to freeze a new one.",
            code="not_enough_data",
        )


def _require_suitable(wishes: Wishes, snapshot: Snapshot) -> None:
    """Conflict or Invalid when this data set cannot be trained on as it was wished."""
    planning.require_possible(wishes, Scans.of_snapshot(snapshot))
    _require_same_prevalence(snapshot.project, snapshot)
    _require_patients(snapshot, wishes.get("folds") or 0)
    require_separated(snapshot)
    if wishes.base_model is not None:
        _require_same_classes(wishes.base_model, snapshot)


def _require_same_prevalence(project: Project, snapshot: Snapshot) -> None:
    """The project's expected prevalence may be older than its classes, or the data set older than both."""
    stated, ids = project.expected_prevalence, {str(entry["id"]) for entry in snapshot.classes}
    if stated and set(stated) != ids:
        raise Conflict(
            f"The project's expected prevalence is of other classes than those of {snapshot.code}. "
            "State it again in the project's settings, or freeze a new data set.",
            code="classes_differ",
        )


def _require_patients(snapshot: Snapshot, folds: int) -> None:
    """Folds hold out whole patients: Conflict when a class has too few of them."""
    if not folds:
        return
    from training.engine.folds import least_groups

    rows = SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=True).exclude(split=Split.TEST)
    by_class = rows.values_list("label_class__name").annotate(number=Count("group", distinct=True)).order_by()
    name, number = min(by_class, key=lambda row: row[1])
    if number < least_groups(folds):
        raise Conflict(
            f"'{name}' has scans of {number} patients outside the test split; {folds} folds need {least_groups(folds)} in "
            "each class. Choose fewer folds, or none.",
            code="not_enough_data",
        )


def _require_same_classes(base: ModelVersion, snapshot: Snapshot) -> None:
    """A version is continued only on its own classes in their order, and never towards a test split it has seen."""
    if base.project_id != snapshot.project_id:
        raise Invalid("This model belongs to another project.", attr="model", code="does_not_exist")
    if [entry["id"] for entry in base.classes] != [entry["id"] for entry in snapshot.classes]:
        raise Conflict(
            f"{base.code} has other classes than {snapshot.code}. Start without a model.", code="classes_differ"
        )
    require_fair(base, snapshot)


def _create(
    actor: User, project: Project, snapshot: Snapshot, base_model: ModelVersion | None, config: dict[str, Any]
) -> TrainingRun:
    try:
        with transaction.atomic():
            run = TrainingRun(
                project=project,
                snapshot=snapshot,
                base_model=base_model,
                created_by=actor,
                config=config,
                message=config["initialisation_note"],
            )
            shares.take_turn(run)
            run.save(force_insert=True)
            details = {
                "dataset": snapshot.pk,
                "architecture": config["architecture"],
                "start": config["initialisation"],
            }
            audit.record("run.start", actor=actor, obj=run, project=project.pk, details=details)
            work.wake(run)
    except IntegrityError:
        # Somebody else's run came in between: the database allows one.
        _refuse_second(project)
        raise
    return run


def cancel_run(*, actor: User, run: TrainingRun) -> TrainingRun:
    """Cancel a queued run at once, or have the worker of a running one stop within seconds. Conflict when it has ended."""
    require(actor, "train_model", run.project)
    with transaction.atomic():
        if not work.request_cancel(TrainingRun, run.pk, active=None, message=CANCELLED_EARLY):
            run.refresh_from_db()
            raise Conflict(f"{run.code} has already ended ({run.status}).", code="run_ended")
        audit.record("run.cancel", actor=actor, obj=run, project=run.project_id)
    run.refresh_from_db()
    return run


def open_inputs_sheet(*, actor: User, run: TrainingRun) -> tuple[BinaryIO, Blob]:
    """The contact sheet of a run. Audited as opening the scans on it. Conflict `no_inputs_sheet` where there is none."""
    require(actor, VIEW, run.project)
    if run.inputs_sheet is None:
        raise Conflict(
            f"{run.code} has no contact sheet: it has not read its scans yet, or one of those on it was erased.",
            code="no_inputs_sheet",
        )
    details = {"kind": "inputs_sheet", "scans": sorted(run.shown_scans.values_list("image_id", flat=True))}
    return open_audited(
        run.inputs_sheet, action="scan.open", actor=actor, obj=run, project=run.project_id, details=details
    )
