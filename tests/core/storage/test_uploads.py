import hashlib
import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from mediscan_site.core.storage.spool import IN_MEMORY
from mediscan_site.core.storage.uploads import SealedUpload


def received(body: bytes) -> SealedUpload:
    request = RequestFactory().post("/", {"file": SimpleUploadedFile("scan.jpg", body)})
    upload = request.FILES["file"]
    assert isinstance(upload, SealedUpload)
    return upload


@pytest.mark.parametrize("size", [0, 10, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 17])
def test_an_upload_reads_as_it_was_sent_and_knows_its_digest(size):
    body = os.urandom(size)
    upload = received(body)
    assert upload.read() == body
    assert (upload.size, upload.sha256) == (size, hashlib.sha256(body).hexdigest())


def test_a_large_upload_can_be_read_from_anywhere():
    body = os.urandom(3 * IN_MEMORY)
    upload = received(body)
    upload.seek(IN_MEMORY + 5)
    assert upload.read(100) == body[IN_MEMORY + 5 : IN_MEMORY + 105]
    upload.seek(0)
    assert upload.read(64) == body[:64]


def test_a_large_upload_is_never_on_the_disk_in_the_clear(monkeypatch):
    import tempfile

    kept = []
    real = tempfile.TemporaryFile

    def spy(*args, **kwargs):
        kept.append(real(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", spy)
    body = os.urandom(1000) * 5000
    received(body)
    assert len(kept) == 1
    kept[0].seek(0)
    assert body[:32] not in kept[0].read()
    assert list(Path(settings.DATA_DIR).glob("tmp*")) == []


def test_more_than_the_largest_import_is_refused_by_what_arrives(settings):
    settings.MAX_IMPORT_BYTES = 100_000
    with pytest.raises(RequestDataTooBig):
        received(os.urandom(200_000))
