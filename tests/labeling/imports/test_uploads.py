"""A ZIP in pieces: lost connections, repeated and racing pieces, wrong ones, and what stays behind."""

import hashlib
import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as site
from django.utils import timezone

from images.models import Image
from labeling.imports import uploads, worker, zipfiles
from labeling.imports.uploads import receive_part, start_upload
from labeling.models import Import, ResumableUpload, UploadPart
from mediscan_site.core import tidy
from mediscan_site.core.errors import Forbidden, Invalid
from mediscan_site.core.http.digest import digest_header
from mediscan_site.core.models import AuditEvent, Blob
from tests.conftest import make_user, scan_bytes

URL = "/api/v1/uploads/"
PIECE = 4000


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for seed in (1, 2, 3):
            made.writestr(f"NORMAL/{seed}.jpg", scan_bytes(seed))
    return out.getvalue()


ZIP = a_zip()
SHA256 = hashlib.sha256(ZIP).hexdigest()


def start(client, project, **fields) -> str:
    body = {"project": project.pk, "file_name": "many.zip", "size": len(ZIP), **fields}
    response = client.post(URL, body, format="json")
    assert response.status_code == 201, response.content
    assert response["Location"].endswith(f"{URL}{response.json()['id']}/")
    assert (response.json()["received"], response.json()["import"]) == (0, None)
    return f"{URL}{response.json()['id']}/"


def put(client, url: str, first: int, data: bytes, *, total: int = len(ZIP), **headers: str):
    said = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}", **headers}
    return client.generic("PUT", url, data, content_type="application/octet-stream", headers=said)


def content(batch: Import) -> bytes:
    stream = zipfiles.open_zip(batch)
    assert stream is not None
    with stream:
        return stream.read()


def code(response) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0]["code"]


def pieces(data: bytes = ZIP, size: int = PIECE) -> list[tuple[int, bytes]]:
    return [(first, data[first : first + size]) for first in range(0, len(data), size)]


def live_objects() -> int:
    return Blob.objects.filter(wrapped_key__isnull=False).count()


def check_nothing_is_left() -> None:
    assert not ResumableUpload.objects.exists()
    assert not UploadPart.objects.exists()
    assert live_objects() == 0
    assert [path for path in (Path(site.DATA_DIR) / "blobs").glob("*/*/*") if path.stat().st_size] == []


@pytest.mark.django_db
def test_a_zip_in_pieces_becomes_the_import_it_would_have_been_whole(api, author, project):
    client = api(author)
    url = start(client, project, sha256=SHA256.upper(), split_frames=True)
    *most, (first, rest) = pieces()
    for at, data in most:
        response = put(client, url, at, data, **{"X-Content-SHA256": hashlib.sha256(data).hexdigest()})
        assert response.status_code == 200, response.content
        assert response.json()["received"] == at + len(data)
    last = put(client, url, first, rest)
    assert last.status_code == 202
    batch = Import.objects.get()
    assert last["Location"].endswith(f"/api/v1/imports/{batch.pk}/")
    assert (batch.file_name, batch.split_frames, batch.created_by) == ("many.zip", True, author)
    assert content(batch) == ZIP
    assert client.get(url).json()["import"] == batch.pk
    assert client.delete(url).status_code == 409
    kept = list(UploadPart.objects.values_list("blob", flat=True))
    Import.objects.update(split_frames=False)
    worker.run(batch.pk)
    assert (Image.objects.count(), UploadPart.objects.count()) == (3, 0)
    assert not Blob.objects.filter(pk__in=kept, wrapped_key__isnull=False).exists()
    assert client.delete(url).status_code == 204


@pytest.mark.django_db
def test_the_state_tells_where_to_go_on_and_what_is_here(api, author, project):
    client = api(author)
    url = start(client, project)
    put(client, url, 0, ZIP[:PIECE])
    state = client.get(url).json()
    assert (state["received"], state["size"], state["part_size"]) == (PIECE, len(ZIP), uploads.PART_SIZE)
    assert state["parts"] == [{"offset": 0, "size": PIECE, "sha256": hashlib.sha256(ZIP[:PIECE]).hexdigest()}]
    found = client.get(URL, {"project": project.pk, "file_name": "many.zip", "size": len(ZIP), "finished": "false"})
    assert [row["id"] for row in found.json()["results"]] == [state["id"]]
    assert client.get(URL, {"finished": "true"}).json()["results"] == []
    assert client.get(f"{URL}?format=csv").status_code == 200


@pytest.mark.django_db
def test_a_piece_whose_answer_was_lost_may_be_sent_again(api, author, project):
    client = api(author)
    url = start(client, project)
    for at, data in pieces():
        answers = {put(client, url, at, data).status_code for _ in range(2)}
        assert len(answers) == 1
    assert answers == {202}
    assert put(client, url, 0, ZIP[:PIECE]).status_code == 202
    assert Import.objects.count() == 1
    assert content(Import.objects.get()) == ZIP


@pytest.mark.django_db
def test_a_gap_an_overlap_and_another_piece_in_its_place_are_refused(api, author, project):
    client = api(author)
    url = start(client, project)
    assert code(put(client, url, PIECE, ZIP[PIECE : 2 * PIECE])) == (409, "wrong_offset")
    put(client, url, 0, ZIP[:PIECE])
    for first, data in ((100, ZIP[100:5000]), (0, bytes(PIECE)), (0, ZIP[:100]), (2 * PIECE, ZIP[:10])):
        response = put(client, url, first, data)
        assert code(response) == (409, "wrong_offset")
        assert f"byte {PIECE}." in response.json()["errors"][0]["detail"]
    assert (UploadPart.objects.count(), live_objects()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "said",
    ["", "bytes", "bytes 0-99", "bytes 0-98/{size}", "bytes 0-100/{size}", "bytes 99-0/{size}", "bytes 0-99/5", "items 0-99/{size}",
     "bytes {size}-99999999/{size}", "bytes 0-99/*", "bytes -1-98/{size}", "bytes 0-99/99999999999999999999"],
)  # fmt: skip
def test_a_range_that_does_not_fit_is_refused(said, api, author, project):
    client = api(author)
    url = start(client, project)
    headers = {"Content-Range": said.format(size=len(ZIP))}
    response = client.generic("PUT", url, ZIP[:100], content_type="application/zip", headers=headers)
    assert code(response) == (400, "invalid_range")
    assert client.generic("PUT", url, b"", headers=headers).status_code == 400
    assert live_objects() == 0


@pytest.mark.django_db
def test_a_piece_that_arrives_broken_is_not_kept(api, author, project):
    client = api(author)
    url = start(client, project)
    wrong = {"X-Content-SHA256": "0" * 64}
    assert code(put(client, url, 0, ZIP[:PIECE], **wrong)) == (400, "digest_mismatch")
    wrong = {"Content-Digest": digest_header("0" * 64)}
    assert code(put(client, url, 0, ZIP[:PIECE], **wrong)) == (400, "digest_mismatch")
    assert (client.get(url).json()["received"], live_objects()) == (0, 0)
    assert put(client, url, 0, ZIP[:PIECE]).status_code == 200


@pytest.mark.django_db
def test_a_connection_lost_in_the_middle_of_a_piece_leaves_nothing_of_it(author, project):
    upload = start_upload(actor=author, project=project, file_name="many.zip", size=len(ZIP))
    with pytest.raises(Invalid) as refused:
        receive_part(actor=author, upload=upload, first=0, last=PIECE - 1, source=io.BytesIO(ZIP[:100]))
    assert refused.value.code == "incomplete"
    upload.refresh_from_db()
    assert (upload.received, live_objects()) == (0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("data", "sha256", "expected"),
    [(ZIP, "0" * 64, "digest_mismatch"), (bytes(len(ZIP)), "", "not_a_zip"), (ZIP[:-30] + bytes(30), "", "not_a_zip")],
    ids=["another digest", "no ZIP", "a broken ZIP"],
)
def test_what_is_not_the_announced_zip_is_destroyed(data, sha256, expected, api, author, project):
    client = api(author)
    url = start(client, project, sha256=sha256)
    put(client, url, 0, data[:PIECE])
    response = put(client, url, PIECE, data[PIECE:])
    assert code(response) == (400, expected)
    assert not Import.objects.exists()
    check_nothing_is_left()


@pytest.mark.django_db
def test_a_fault_of_ours_at_the_end_loses_no_piece(api, author, project, monkeypatch):
    client = api(author)
    client.raise_request_exception = False
    url = start(client, project)
    with monkeypatch.context() as broken:
        broken.setattr(uploads, "queue_import", lambda *_, **__: 1 / 0)
        assert put(client, url, 0, ZIP).status_code == 500
    assert client.get(url).json()["received"] == len(ZIP)
    assert put(client, url, 0, ZIP).status_code == 202
    assert Import.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_giving_up_destroys_what_has_arrived(api, author, project):
    client = api(author)
    url = start(client, project)
    put(client, url, 0, ZIP[:PIECE])
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == put(client, url, PIECE, ZIP[PIECE:]).status_code == 404
    check_nothing_is_left()
    actions = AuditEvent.objects.filter(object_type="resumableupload").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["upload.start", "upload.give_up"]


@pytest.mark.django_db
def test_uploads_nothing_was_added_to_for_a_day_are_destroyed(author, project):
    old, young = (start_upload(actor=author, project=project, file_name="many.zip", size=len(ZIP)) for _ in range(2))
    for upload in (old, young):
        receive_part(actor=author, upload=upload, first=0, last=99, source=io.BytesIO(ZIP[:100]))
    ResumableUpload.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(hours=25))
    tidy.run()
    assert list(ResumableUpload.objects.all()) == [young]
    assert live_objects() == 1


@pytest.mark.django_db(transaction=True)
def test_the_pieces_of_an_import_that_waits_are_kept_and_those_of_an_ended_one_are_not(api, author, project):
    url = start(api(author), project)
    for at, data in pieces():
        put(api(author), url, at, data)
    ResumableUpload.objects.update(updated_at=timezone.now() - timedelta(hours=25))
    tidy.run()
    assert content(Import.objects.get()) == ZIP
    Import.objects.update(status="cancelled")
    zipfiles.destroy_left_behind()
    assert (UploadPart.objects.count(), live_objects()) == (0, 0)
    ResumableUpload.objects.update(updated_at=timezone.now() - timedelta(hours=25))
    tidy.run()
    check_nothing_is_left()


@pytest.mark.django_db
def test_only_who_began_it_and_administrators_reach_an_upload(api, author, colleague, admin, project):
    url = start(api(author), project)
    for stranger in (colleague, make_user("stranger")):
        client = api(stranger)
        assert (client.get(url).status_code, put(client, url, 0, ZIP).status_code) == (404, 404)
        assert client.delete(url).status_code == 404
        assert client.get(URL).json()["results"] == []
    assert put(api(admin), url, 0, ZIP).status_code == 202
    assert api(admin).get(URL, {"mine": "true"}).json()["results"] == []
    assert len(api(admin).get(URL, {"mine": "false"}).json()["results"]) == 1
    # It stays the import of the one who began it, and so do its labels.
    assert Import.objects.get().created_by == author


@pytest.mark.django_db
def test_a_right_that_was_taken_away_ends_the_upload(api, author, admin, project):
    from images.services import revoke

    client = api(author)
    url = start(client, project)
    revoke(actor=admin, project=project, user=author, codename="label_image")
    assert code(put(client, url, 0, ZIP)) == (403, "permission_denied")
    with pytest.raises(Forbidden):
        start_upload(actor=author, project=project, file_name="x.zip", size=1)
