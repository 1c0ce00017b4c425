"""Asking the deployed model about many stored scans at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import F, QuerySet, Value

from images.models import Image, Project
from images.policies import require, visible_scans
from labeling.exports.selectors import IDENTIFYING, chosen_scans
from labeling.models import Import, ImportFile
from labeling.reading.reviews import MAX_IMAGES
from mediscan_site.core import audit, shares, work
from mediscan_site.core.database import insert_selected
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.http.csv import NOT_KEPT
from mediscan_site.core.models import ACTIVE, User
from models_registry.batches.policies import require_own
from models_registry.grades.services import require_deployed
from models_registry.models import GradeBatch, GradeBatchItem

MOST_SCANS: Final = 250_000


def start_batch(
    *,
    actor: User,
    project: Project,
    images: Sequence[Image] | None = None,
    filters: Mapping[str, str] | None = None,
    source_import: Import | None = None,
) -> GradeBatch:
    """Have scans of the project graded: `images`, what an import brought, or else all that pass `filters` as in the list of scans.

    Which scans and which version is settled now: a later deployment, label or upload changes neither. Raises Invalid,
    Conflict `no_deployed_model` and `nothing_to_grade`, TooMany."""
    require(actor, "grade_image", project)
    model = require_deployed(project)
    given = {name: value for name, value in (filters or {}).items() if value}
    if sum((images is not None, bool(given), source_import is not None)) > 1:
        raise Invalid("Send one of images, filters and import.", attr="images")
    scans = _chosen(actor, project, images, given, source_import)
    number = scans.count()
    if not number:
        raise Conflict("No scan was chosen, so there is nothing to grade.", code="nothing_to_grade")
    if number > MOST_SCANS:
        raise Invalid(
            f"{number} scans are more than one batch may have ({MOST_SCANS}). Narrow the filters.", attr="filters"
        )
    batch = GradeBatch(
        project=project,
        model_id=model,
        origin=_origin(images, source_import),
        filters={name: NOT_KEPT if name in IDENTIFYING else value for name, value in given.items()},
        source_import=source_import,
        requested_by=actor,
    )
    with transaction.atomic():
        _queue(batch)
        values = (Value(batch.pk), "pk", Value(GradeBatchItem.Outcome.WAITING.value), Value(""), Value(""))
        columns = ("batch", "image", "outcome", "code", "detail")
        batch.total = insert_selected(GradeBatchItem, columns, scans.order_by("pk").values_list(*values))
        GradeBatch.objects.filter(pk=batch.pk).update(total=batch.total)
        _record_start(batch)
    return batch


def _origin(images: Sequence[Image] | None, source_import: Import | None) -> GradeBatch.Origin:
    if images is not None:
        return GradeBatch.Origin.SELECTION
    return GradeBatch.Origin.IMPORT if source_import is not None else GradeBatch.Origin.FILTER


def _chosen(
    actor: User,
    project: Project,
    images: Sequence[Image] | None,
    filters: Mapping[str, str],
    source_import: Import | None,
) -> QuerySet[Image]:
    visible = visible_scans(actor).filter(project=project)
    if source_import is not None:
        if source_import.project_id != project.pk:
            raise Invalid("This import belongs to another project.", attr="import", code="does_not_exist")
        came = (ImportFile.Outcome.CREATED, ImportFile.Outcome.DUPLICATE)
        return visible.filter(
            pk__in=ImportFile.objects.filter(batch=source_import, outcome__in=came).values("image_id")
        )
    if images is None:
        return chosen_scans(actor, project, filters)
    keys = {image.pk for image in images}
    if len(keys) > MAX_IMAGES:
        raise Invalid(f"Send at most {MAX_IMAGES} scans; use filters for more.", attr="images", code="max_length")
    found = visible.filter(pk__in=keys)
    if found.count() != len(keys):
        raise Invalid("Not all of these are scans of this project.", attr="images", code="does_not_exist")
    return found


def _queue(batch: GradeBatch, *, limited: bool = True) -> None:
    shares.take_turn(batch, limited=limited)
    batch.save(force_insert=True)
    work.wake(batch)


def _record_start(batch: GradeBatch) -> None:
    details: dict[str, Any] = {"origin": str(batch.origin), "model": batch.model_id, "scans": batch.total}
    if batch.source_import_id:
        details["import"] = batch.source_import_id
    audit.record("grade_batch.start", actor=batch.requested_by, obj=batch, project=batch.project_id, details=details)


def take_in(*, actor: User, project: Project, model: int, images: Sequence[Image], again: bool = False) -> None:
    """New scans join the actor's batch of arrivals that is under way, or begin one. In the transaction that saves them.
    `again`: a batch of arrivals may have left them out before.

    The batch's row is written before its new scans: a worker that finds it empty and wants to end it writes that row as
    well, so one of the two waits for the other, and no scan joins a batch that is over."""
    arriving = GradeBatch.objects.filter(
        project=project,
        model=model,
        requested_by=actor,
        origin=GradeBatch.Origin.ARRIVAL,
        status__in=ACTIVE,
        cancel_requested=False,
    )
    if again:
        arriving = arriving.exclude(pk__in=GradeBatchItem.objects.filter(image__in=images).values("batch"))
    key = arriving.order_by("-pk").values_list("pk", flat=True).first()
    if key is None or not arriving.filter(pk=key).update(total=F("total") + len(images)):
        batch = GradeBatch(
            project=project, model_id=model, requested_by=actor, origin=GradeBatch.Origin.ARRIVAL, total=len(images)
        )
        _queue(batch, limited=False)
        _record_start(batch)
        key = batch.pk
    GradeBatchItem.objects.bulk_create(GradeBatchItem(batch_id=key, image=image) for image in images)


def cancel_batch(*, actor: User, batch: GradeBatch) -> None:
    """Stop grading; what was graded stays. Conflict `batch_ended` when it is over."""
    require(actor, "view_project", batch.project)
    require_own(actor, batch)
    with transaction.atomic():
        if not work.request_cancel(GradeBatch, batch.pk):
            raise Conflict("This batch is over, so there is nothing to cancel.", code="batch_ended")
        audit.record("grade_batch.cancel", actor=actor, obj=batch, project=batch.project_id)
