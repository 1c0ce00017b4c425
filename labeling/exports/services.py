"""Exporting scans: a ZIP is requested, made by a worker, fetched, and destroyed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import BinaryIO, Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from images.models import Image, Project
from images.services.naming import named_patient
from labeling.exports.selectors import chosen_scans
from labeling.models import Export, Snapshot, SnapshotMember
from labeling.policies import covered, require
from mediscan_site.core import audit, shares, work
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.http.idempotency import forget_answers_of
from mediscan_site.core.models import ACTIVE, Blob, User
from mediscan_site.core.storage import blobs, room
from mediscan_site.core.storage.opening import open_audited

CLOCKS_DIFFER: Final = timedelta(minutes=10)
ERASED: Final = "A scan in it was erased, and this ZIP with it. Export again: the erased scan will be missing."
DISCARDED: Final = "It was destroyed on request."


def start_export(
    *,
    actor: User,
    project: Project,
    snapshot: Snapshot | None = None,
    filters: Mapping[str, str] | None = None,
    files: str = Export.Files.ORIGINALS,
) -> Export:
    """Queue the making of a ZIP: of a snapshot, or of the scans of the project that pass `filters` (as in the list of scans)."""
    require(actor, "view_project", project)
    room.require()
    given = _without_raw_patient(actor, project, {name: value for name, value in (filters or {}).items() if value})
    if snapshot is not None and (given or snapshot.project_id != project.pk):
        raise Invalid("Name a data set of the project, or filters: one of the two.", attr="dataset")
    if snapshot is None and not chosen_scans(actor, project, given).filter(hold="").exists():
        raise Conflict("No scan passes these filters, so there is nothing to export.", code="nothing_to_export")
    with transaction.atomic():
        made = Export(project=project, snapshot=snapshot, filters=given, files=Export.Files(files), created_by=actor)
        shares.take_turn(made)
        made.save(force_insert=True)
        details = {"dataset": snapshot.pk if snapshot else None, "files": str(made.files), "filters": sorted(given)}
        audit.record("export.start", actor=actor, obj=made, project=project.pk, details=details)
        work.wake(made)
    return made


def _without_raw_patient(actor: User, project: Project, filters: dict[str, str]) -> dict[str, str]:
    """The filters as they may be stored: a raw patient id only as its pseudonym."""
    if "patient" not in filters:
        return filters
    return {**filters, "patient": named_patient(actor, project, filters["patient"])}


def open_export(*, actor: User, export: Export) -> tuple[BinaryIO, Blob]:
    """The ZIP as a stream. Audited as a download. Conflict when it is not ready yet, or already gone; Forbidden while the actor is
    still to read scans of the project by themselves, and somebody else asked for this ZIP: it says what that one may know."""
    require(actor, "view_project", export.project)
    if export.snapshot_id is None and export.created_by_id != actor.pk:
        scans = Image.objects.filter(covered(actor), project=export.project_id, erased_at__isnull=True)
        if scans.exists():
            raise Forbidden(
                "It says what others see in scans that you are to read by yourself. Make an export of your own."
            )
    return open_audited(_blob(export), action="export.download", actor=actor, obj=export, project=export.project_id)


def has_file(export: Export) -> bool:
    """Whether the ZIP is there to be fetched."""
    return export.blob_id is not None and export.expires_at is not None and export.expires_at > timezone.now()


def file_name(export: Export) -> str:
    return f"{export.snapshot.code if export.snapshot else f'export{export.pk:03d}'}.zip"


def _blob(export: Export) -> Blob:
    if export.status in ACTIVE:
        raise Conflict("This export is still being made. Ask again when it has succeeded.", code="export_not_ready")
    if export.blob is None or not has_file(export):
        raise Conflict(
            f"This export has no file, or no longer has one. {export.error} Start a new one.", code="export_gone"
        )
    return export.blob


def discard_export(*, actor: User, export: Export) -> None:
    """Cancel an export that is being made, or destroy its ZIP. For whoever asked for it, and administrators."""
    require(actor, "view_project", export.project)
    if not actor.is_admin and export.created_by_id != actor.pk:
        raise Forbidden("Only whoever started this export, or an administrator, may cancel it.")
    with transaction.atomic():
        work.request_cancel(Export, export.pk, filters={})
        blobs.erase_on_commit(_let_go(Export.objects.filter(pk=export.pk), reason=DISCARDED))
        audit.record("export.discard", actor=actor, obj=export, project=export.project_id)


def leave_exports(image: Image) -> list[Blob]:
    """Withdraw every ZIP that may hold the scan; returns the objects to destroy. In the transaction of its erasure.

    Nobody knows any more what a filtered list held, so all those made since the scan came in are withdrawn. One that is
    still being made finds out when it ends: both sides lock the project's row, so none slips through."""
    Project.objects.select_for_update().get(pk=image.project_id)
    # They repeat the filters, in which somebody may have named the patient.
    forget_answers_of("/exports/")
    held = SnapshotMember.objects.filter(image=image).values("snapshot")
    # An export ends by the database's clock; a scan arrives by ours.
    since = image.upload_date - CLOCKS_DIFFER
    holding = Q(snapshot__in=held) | Q(snapshot__isnull=True, finished_at__gte=since)
    return _let_go(Export.objects.filter(holding, project=image.project_id), reason=ERASED)


def _let_go(rows: QuerySet[Export], *, reason: str) -> list[Blob]:
    """Drop the references to the ZIPs of these rows and name the objects."""
    holding = rows.filter(blob__isnull=False).select_related("blob")
    doomed = {row.pk: row.blob for row in holding if row.blob is not None}
    Export.objects.filter(pk__in=list(doomed)).update(blob=None, error=reason)
    return list(doomed.values())
