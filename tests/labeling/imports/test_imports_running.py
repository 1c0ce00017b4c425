"""Imports that are killed, cancelled or go wrong while they run."""

import time
from datetime import timedelta

import pytest
from django.db.models import F

from images.models import Image
from images.services import scans
from labeling.imports import selectors, stream, worker
from labeling.models import Import, ImportFile, Label
from mediscan_site.core import work
from mediscan_site.core.models import Blob, WorkStatus
from tests.conftest import PATIENCE_S, scan_bytes
from tests.labeling.imports.test_imports import NORMAL, OPACITY, bring, counts


def test_a_killed_import_goes_on_where_it_was_and_doubles_nothing(author, project, blob_files, monkeypatch):
    """Killed in the second group, between storing the bytes and saving the rows."""
    monkeypatch.setattr(stream, "GROUP", 2)
    files = {f"NORMAL/{n}.jpg": scan_bytes(n) for n in range(5)}
    batch = bring(author, project, files, run=False)
    real, groups = scans.insert, []

    def killed(*given):
        groups.append(given)
        if len(groups) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(scans, "insert", killed)
    with pytest.raises(KeyboardInterrupt):
        worker.run(batch.pk)
    assert Import.objects.get(pk=batch.pk).status == "running"
    assert ImportFile.objects.filter(batch=batch).count() == Image.objects.count() == 2
    Import.objects.filter(pk=batch.pk).update(status=WorkStatus.QUEUED)
    worker.run(batch.pk)
    done = selectors.imports(author).get(pk=batch.pk)
    assert (done.status, counts(done)) == ("succeeded", (5, 5, 0, 0))
    assert Image.objects.count() == Label.objects.count() == 5


def test_a_finished_import_is_not_done_again(author, project):
    batch = bring(author, project, {"a.jpg": NORMAL})
    worker.run(batch.pk)
    assert Import.objects.get(pk=batch.pk).attempt == 1
    assert ImportFile.objects.count() == 1


def test_a_cancelled_import_stops_and_leaves_no_bytes_without_a_row(author, project, blob_files, monkeypatch):
    monkeypatch.setattr(stream, "GROUP", 1)
    batch = bring(author, project, {f"{n}.jpg": scan_bytes(n) for n in range(6)}, run=False)
    monkeypatch.setattr(work.Pulse, "should_stop", lambda self: ImportFile.objects.exists())
    worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, Image.objects.count()) == ("cancelled", 1)
    rows = Blob.objects.filter(erased_at__isnull=True).count()
    assert len(blob_files()) == rows + 1, "the ZIP's bytes go when the transaction is certain"


def test_a_stored_zip_that_is_damaged_fails_with_a_remedy(author, project):
    batch = bring(author, project, {"a.jpg": NORMAL}, run=False)
    Blob.objects.filter(pk=batch.blob_id).update(quarantined_at=batch.created_at)
    worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.error) == ("failed", "The stored ZIP is damaged. Send it again.")


def test_an_unexpected_failure_is_told_without_details(author, project, monkeypatch):
    batch = bring(author, project, {"a.jpg": NORMAL}, run=False)

    def broken(*given):
        raise LookupError("/secret/path")

    monkeypatch.setattr(scans, "insert", broken)
    worker.run(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "failed"
    assert "LookupError" in batch.error
    assert "secret" not in batch.error


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_beats_while_an_import_works(author, project, settings, monkeypatch):
    settings.WORK_LEASE_S = 0.5
    real, seen = scans.keep, []

    def slow(*given, **options):
        end = time.monotonic() + PATIENCE_S
        while not Import.objects.filter(heartbeat_at__gt=F("started_at")) and time.monotonic() < end:
            time.sleep(0.05)
        return real(*given, **options)

    def finished(self, group):
        seen.append(Import.objects.get().heartbeat_at - Import.objects.get().started_at)
        return write_report(self, group)

    write_report = worker._Walk._write_report
    monkeypatch.setattr(worker._Walk, "_write_report", finished)
    monkeypatch.setattr(scans, "keep", slow)
    batch = bring(author, project, {"NORMAL/a.jpg": NORMAL, "NORMAL/b.jpg": OPACITY})
    assert (batch.status, batch.created) == ("succeeded", 2)
    assert seen[0] > timedelta(0)
