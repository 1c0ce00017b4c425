"""The worker side of an export: makes the ZIP straight into an encrypted object. A lost attempt leaves nothing and starts over."""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from images.models import Image, Project
from labeling.exports import parcel
from labeling.exports.selectors import IDENTIFYING, chosen_scans
from labeling.models import Export
from labeling.zipstream import reader, zip_stream
from mediscan_site.core import audit, tidy, work
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import is_full
from mediscan_site.core.models import Blob, WorkStatus
from mediscan_site.core.storage import blobs

log = logging.getLogger(__name__)

KEPT: Final = timedelta(days=7)
BATCH: Final = 500
WRITE_INTERVAL_S: Final = 1.0
DISK_FULL: Final = "The server's disk is full. Ask an administrator to make room, then export again."


def run(pk: int) -> None:
    """Do the export `pk` if it is queued. Ends it as succeeded, failed (with a reason for people) or cancelled."""
    attempt = work.claim(Export, pk)
    if attempt is None:
        return
    job = Export.objects.select_related("project", "snapshot__project", "created_by").get(pk=pk)
    try:
        with work.keep_alive(Export, pk, attempt) as pulse:
            blob, scans = _make(job, attempt, pulse)
    except OperationalError:
        # The database is away for a moment: the row falls silent and is given out again.
        log.warning("Export %s paused", pk, exc_info=True)
    except work.Stopped:
        _end(job, attempt, WorkStatus.CANCELLED)
    except parcel.ScanUnreadable as error:
        _end(job, attempt, WorkStatus.FAILED, str(error))
    except Exception as error:
        log.exception("Export %s failed", pk)
        _end(job, attempt, WorkStatus.FAILED, DISK_FULL if is_full(error) else work.describe_failure(error))
    else:
        _keep(job, attempt, blob, scans)


def _make(job: Export, attempt: int, pulse: work.Pulse) -> tuple[Blob, list[int]]:
    """The stored ZIP (its row is not saved yet) and the scans in it."""
    leaving, total = _parcel(job)
    mine = Export.objects.filter(pk=job.pk, attempt=attempt, status=WorkStatus.RUNNING)
    mine.update(total=total)
    written_at = 0.0

    def done(number: int) -> None:
        nonlocal written_at
        if pulse.should_stop():
            raise work.Stopped
        pulse.progress(min(number / max(total, 1), 0.99))
        if time.monotonic() - written_at > WRITE_INTERVAL_S:
            written_at = time.monotonic()
            # Ask the row, not the heartbeat alone: an erasure must not wait for the next beat.
            if not mine.filter(cancel_requested=False).update(done=number):
                raise work.Stopped

    leaving.done = done
    source = reader(zip_stream(_files(leaving)))
    blob = blobs.write(source, namespace=blobs.namespace(job.project_id), content_type="application/zip")
    return blob, list(leaving.paths)


def _files(leaving: parcel.Parcel) -> Iterator[tuple[str, bytes]]:
    leaving.done(0)
    yield from leaving.files()


def _parcel(job: Export) -> tuple[parcel.Parcel, int]:
    """What goes into the ZIP, and roughly how many scans that is now."""
    if job.snapshot is not None:
        members = job.snapshot.members.filter(image__erased_at__isnull=True, image__hold="")
        return parcel.of_snapshot(job.snapshot, files=job.files), members.count()
    scans = chosen_scans(job.created_by, job.project, job.filters)
    leaving = parcel.of_scans(f"export{job.pk:03d}", job.project, scans, files=job.files, reader=job.created_by)
    return leaving, scans.filter(hold="").count()


def _keep(job: Export, attempt: int, blob: Blob, scans: Sequence[int]) -> None:
    """Refer to the ZIP, unless the row was cancelled or taken over. Where a scan in it was erased meanwhile, start over."""
    with blobs.discarded_on_failure(blob):
        stored = _kept(job, attempt, blob, scans)
    if not stored:
        blobs.discard(blob)


@done_again
def _kept(job: Export, attempt: int, blob: Blob, scans: Sequence[int]) -> bool:
    with transaction.atomic():
        # An erasure holds it too: it either finds this ZIP, or we find what it erased.
        Project.objects.select_for_update().get(pk=job.project_id)
        stored = not _erased_one(scans) and _finish(job, attempt, blob, len(scans))
        if not stored:
            _start_over(job, attempt)
    return stored


def _erased_one(scans: Sequence[int]) -> bool:
    parts = (scans[start : start + BATCH] for start in range(0, len(scans), BATCH))
    return any(Image.objects.filter(pk__in=part, erased_at__isnull=False).exists() for part in parts)


def _finish(job: Export, attempt: int, blob: Blob, scans: int) -> bool:
    harmless = {name: value for name, value in job.filters.items() if name not in IDENTIFYING}
    columns: dict[str, Any] = {"done": scans, "total": scans, "filters": harmless, "expires_at": timezone.now() + KEPT}
    if Export.objects.filter(pk=job.pk, cancel_requested=True).exists():
        _end(job, attempt, WorkStatus.CANCELLED)
        return False
    if not work.finish(Export, job.pk, attempt, status=WorkStatus.SUCCEEDED, **columns):
        return False
    blob.save(force_insert=True)
    Export.objects.filter(pk=job.pk).update(blob=blob)
    _record(job, WorkStatus.SUCCEEDED, scans)
    return True


def _start_over(job: Export, attempt: int) -> None:
    mine = Export.objects.filter(pk=job.pk, attempt=attempt, status=WorkStatus.RUNNING)
    if mine.update(status=WorkStatus.QUEUED, queued_at=Now(), progress=0.0, done=0):
        work.wake(job)


@done_again
def _end(job: Export, attempt: int, status: WorkStatus, error: str = "") -> None:
    with transaction.atomic():
        if work.finish(Export, job.pk, attempt, status=status, error=error, filters={}):
            _record(job, status, 0)


def _record(job: Export, status: WorkStatus, scans: int) -> None:
    details = {"status": str(status), "scans": scans}
    audit.record("export.finish", actor=job.created_by, obj=job, project=job.project_id, details=details)


@tidy.register
def destroy_expired() -> None:
    """Destroy the ZIPs whose days are over, and those that an ended row still holds."""
    ended = (WorkStatus.FAILED, WorkStatus.CANCELLED)
    over = Export.objects.filter(Q(expires_at__lt=timezone.now()) | Q(status__in=ended), blob__isnull=False)
    for job in over.select_related("blob"):
        blob = job.blob
        if blob is not None and Export.objects.filter(pk=job.pk, blob=blob).update(blob=None):
            blobs.erase(blob)
