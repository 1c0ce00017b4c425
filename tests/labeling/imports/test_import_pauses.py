"""An import whose decoder is away waits for it instead of refusing perfectly good scans."""

import io
import zipfile

import pytest

from images.decoding import pool
from images.decoding.process import ChildNotStartedError
from labeling.imports import worker
from labeling.imports.services import start_import
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
