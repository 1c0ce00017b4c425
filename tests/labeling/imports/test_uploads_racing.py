"""Pieces of a ZIP: limits, secrecy, and requests that race."""

import contextlib
import errno
import hashlib
import io
import random
import threading
from pathlib import Path

import pytest
from django.conf import settings as site
from django.db import connection

from labeling.imports import uploads
from labeling.imports.uploads import receive_part, start_upload
from labeling.models import Import, ResumableUpload, UploadPart
from mediscan_site.core.errors import Conflict, Invalid, NotFound, TooLarge
from mediscan_site.core.storage import blobs
from tests.conftest import PATIENCE_S
from tests.labeling.imports.test_uploads import PIECE, SHA256, URL, ZIP, code, content, live_objects, pieces, put, start


@pytest.mark.django_db
def test_limits_are_those_of_an_import(api, author, project, settings, monkeypatch):
    settings.MAX_IMPORT_BYTES = 1000
    with pytest.raises(TooLarge):
        start_upload(actor=author, project=project, file_name="x.zip", size=1001)
    for size in (0, -1, "x", None, 2**70):
        body = {"project": project.pk, "file_name": "x.zip", "size": size}
        assert api(author).post(URL, body, format="json").status_code == 400
    body = {"project": project.pk, "file_name": "x.zip", "size": 10, "sha256": "abc"}
    assert code(api(author).post(URL, body, format="json")) == (400, "invalid_digest")
    upload = start_upload(actor=author, project=project, file_name="x.zip", size=10)
    monkeypatch.setattr(uploads, "MAX_PARTS", 1)
    receive_part(actor=author, upload=upload, first=0, last=0, source=io.BytesIO(b"P"))
    upload.refresh_from_db()
    with pytest.raises(Conflict) as refused:
        receive_part(actor=author, upload=upload, first=1, last=1, source=io.BytesIO(b"K"))
    assert refused.value.code == "too_many_parts"


@pytest.mark.django_db
def test_no_piece_lies_in_the_clear(author, project):
    upload = start_upload(actor=author, project=project, file_name="many.zip", size=len(ZIP))
    receive_part(actor=author, upload=upload, first=0, last=PIECE - 1, source=io.BytesIO(ZIP[:PIECE]))
    stored = [path.read_bytes() for path in Path(site.DATA_DIR).rglob("*") if path.is_file()]
    assert not [data for data in stored if ZIP[200:260] in data]


@pytest.mark.django_db(transaction=True)
def test_of_racing_requests_with_the_same_pieces_one_import_comes(author, project):
    upload = start_upload(actor=author, project=project, file_name="many.zip", size=len(ZIP), sha256=SHA256)
    outcomes = []
    gate = threading.Barrier(4)

    def send() -> None:
        try:
            for first, data in pieces(size=9000):
                gate.wait(timeout=PATIENCE_S)
                mine = ResumableUpload.objects.select_related("project", "created_by", "batch").get(pk=upload.pk)
                got = receive_part(
                    actor=author, upload=mine, first=first, last=first + len(data) - 1, source=io.BytesIO(data)
                )
            outcomes.append(got.pk if got else None)
        except (Conflict, NotFound) as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
    assert Import.objects.count() == 1
    assert outcomes == [Import.objects.get().pk] * 4
    assert content(Import.objects.get()) == ZIP
    assert UploadPart.objects.count() == live_objects() == len(pieces(size=9000))


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_whatever_pieces_come_the_import_is_the_zip_or_there_is_none(seed, author, project):
    dice = random.Random(seed)
    upload = start_upload(actor=author, project=project, file_name="many.zip", size=len(ZIP), sha256=SHA256)
    batch = None
    while batch is None:
        upload.refresh_from_db()
        first = dice.choice([upload.received, upload.received, 0, dice.randrange(len(ZIP))])
        last = min(first + dice.choice([0, 1, 999, 2500]), len(ZIP) - 1)
        data = ZIP[first : last + 1]
        if dice.random() < 0.2:
            data = dice.choice([data[:-1], data + b"x", bytes(len(data))])
        said = hashlib.sha256(ZIP[first : last + 1]).hexdigest()
        with contextlib.suppress(Conflict, Invalid):
            batch = receive_part(
                actor=author, upload=upload, first=first, last=last, source=io.BytesIO(data), sha256=said
            )
        upload.refresh_from_db()
        here = b"".join(blobs.read(part.blob) for part in upload.parts.order_by("offset"))
        assert here == ZIP[: upload.received]
    assert content(batch) == ZIP
    assert Import.objects.count() == 1


@pytest.mark.django_db
def test_a_full_disk_is_said_and_costs_no_more_than_the_piece(api, author, project, monkeypatch):
    def full(*_, **__) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    client = api(author)
    client.raise_request_exception = False
    url = start(client, project)
    put(client, url, 0, ZIP[:PIECE])
    with monkeypatch.context() as filled:
        filled.setattr("mediscan_site.core.storage.disk.shutil.copyfileobj", full)
        assert code(put(client, url, PIECE, ZIP[PIECE:])) == (507, "storage_full")
    assert client.get(url).json()["received"] == PIECE
    assert not list((Path(site.DATA_DIR) / "blobs").rglob("*.part"))
    assert put(client, url, PIECE, ZIP[PIECE:]).status_code == 202
