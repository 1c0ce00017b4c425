"""An import whose decoder or keys are away waits for them instead of refusing perfectly good scans."""

import io
import zipfile

import pytest

from images.decoding import pool
from images.decoding.process import ChildNotStartedError
from labeling.imports import worker, zipfiles
from labeling.imports.services import start_import
from mediscan_site.core.storage import ring
from mediscan_site.core.storage.keyfile import KeysError
from tests.conftest import scan_bytes


@pytest.mark.django_db(transaction=True)
def test_an_import_goes_on_when_decoders_can_be_started_again(author, project, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("NORMAL/a.jpg", scan_bytes(1))
    batch = start_import(actor=author, project=project, source=packed, file_name="scans.zip")

    def refuse(*_: object) -> None:
        raise ChildNotStartedError

    with monkeypatch.context() as broken:
        broken.setattr(pool.DecoderPool, "_take", refuse)
        worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.files.count(), batch.blob is not None) == ("running", 0, True)

    type(batch).objects.filter(pk=batch.pk).update(status="queued")  # what the sweeper does with a silent row
    worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.files.get().outcome) == ("succeeded", "created")


@pytest.mark.django_db(transaction=True)
def test_an_import_waits_for_the_sites_own_key_file_and_keeps_its_zip(author, project, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("NORMAL/a.jpg", scan_bytes(1))
    batch = start_import(actor=author, project=project, source=packed, file_name="scans.zip")

    def away(*_: object) -> None:
        raise KeysError("There is no keys file.")

    with monkeypatch.context() as broken:
        broken.setattr(ring, "current", away)
        worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.attempt, batch.blob is not None) == ("queued", 0, True), "not begun"

    with monkeypatch.context() as broken:
        broken.setattr(zipfiles, "open_zip", away)
        worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.blob is not None) == ("running", True), "gone while it runs: given out again later"

    type(batch).objects.filter(pk=batch.pk).update(status="queued")
    worker.run(batch.pk)
    batch.refresh_from_db()
    assert (batch.status, batch.files.get().outcome) == ("succeeded", "created")
