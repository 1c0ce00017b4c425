"""Looking at a data set before it comes in: by API, page and shell, with nothing stored."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError

from images.models import Image
from labeling.imports import worker
from labeling.models import Import, ResumableUpload
from mediscan_site.core.models import Blob
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import cd, packed

NORMAL, OPACITY = scan_bytes(1), scan_bytes(2, opacity=True)
ROWS = b"image_id,label,split,patient,comment\na,NORMAL,valid,p1,x\nb,OPACITY,train,p2,y\nmissing,NORMAL,,,\nc,ZEBRA,,p1,z\n"
SET = {"a.jpg": NORMAL, "b.jpg": OPACITY, "c.jpg": scan_bytes(3), "labels.csv": ROWS}


def sent(api, user, project, files=SET, **more):
    file = SimpleUploadedFile("set.zip", packed(files).getvalue())
    return api(user).post("/api/v1/imports/preview/", {"project": project.pk, "file": file, **more})


def test_what_was_understood_is_said_and_nothing_is_stored(api, author, project):
    answer = sent(api, author, project)
    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"].endswith(f"/api/v1/uploads/{body['upload']}/")
    found = body["preview"]
    assert (found["dialect"], found["labels_files"], found["scans"]) == ("plain", ["labels.csv"], 2)
    assert found["files"] == {"pictures": 2, "dicom": 0, "labels_files": 1, "passed_over": 0, "refused": 1}
    assert found["classes"] == [
        {"name": "NORMAL", "known": True, "files": 1},
        {"name": "OPACITY", "known": True, "files": 1},
        {"name": "ZEBRA", "known": False, "files": 1},
    ]
    assert found["splits"] == {"train": 1, "val": 1, "test": 0, "undecided": 0}
    assert {column["name"]: column["meaning"] for column in found["columns"]} == {
        "image_id": "image", "label": "label", "split": "split", "patient": "patient", "comment": "",
    }  # fmt: skip
    assert {problem["code"] for problem in found["problems"]} == {"unknown_image", "unknown_class"}
    assert len(found["rows"]) == 3 and found["rows"][0]["label"] == "NORMAL"
    assert "p1" not in answer.content.decode()
    assert not Image.objects.exists() and not Import.objects.exists()


def test_the_import_is_what_was_shown_and_the_file_is_sent_once(api, author, project):
    upload = sent(api, author, project).json()["upload"]
    started = api(author).post(f"/api/v1/uploads/{upload}/start/")
    assert started.status_code == 202
    batch = Import.objects.get(pk=started.json()["id"])
    assert api(author).post(f"/api/v1/uploads/{upload}/start/").json()["id"] == batch.pk
    assert api(author).get(f"/api/v1/uploads/{upload}/preview/").status_code == 409
    worker.run(batch.pk)
    found = api(author).get(started["Location"]).json()
    assert (found["created"], found["rejected"], found["total"]) == (2, 2, 4)
    assert set(Image.objects.values_list("file_name", "split")) == {("a.jpg", "val"), ("b.jpg", "train")}


def test_an_upload_in_pieces_waits_when_asked_to(api, author, project):
    data = packed(SET).getvalue()
    announced = api(author).post(
        "/api/v1/uploads/",
        {"project": project.pk, "file_name": "set.zip", "size": len(data), "preview": True},
        format="json",
    )
    url = announced["Location"]
    assert api(author).get(f"{url}preview/").status_code == 409
    assert api(author).post(f"{url}start/").json()["errors"][0]["code"] == "upload_incomplete"
    for first, piece in ((0, data[:1000]), (1000, data[1000:])):
        ends = f"bytes {first}-{first + len(piece) - 1}/{len(data)}"
        answer = api(author).put(url, piece, content_type="application/octet-stream", HTTP_CONTENT_RANGE=ends)
    assert (answer.status_code, answer.json()["received"], answer.json()["import"]) == (200, len(data), None)
    assert api(author).get(f"{url}preview/").json()["scans"] == 2
    assert api(author).post(f"{url}start/", {"dialect": "plain"}, format="json").json()["dialect"] == "plain"


def test_it_can_be_given_up_and_nobody_else_sees_it(api, author, colleague, project):
    url = f"/api/v1/uploads/{sent(api, author, project).json()['upload']}/"
    assert api(colleague).get(f"{url}preview/").status_code == 404
    assert api(colleague).post(f"{url}start/").status_code == 404
    assert api(author).delete(url).status_code == 204
    assert not ResumableUpload.objects.exists() and not Import.objects.exists()


def test_without_a_preview_the_import_starts_at_once(api, author, project):
    file = SimpleUploadedFile("set.zip", packed(SET).getvalue())
    answer = api(author).post("/api/v1/imports/", {"project": project.pk, "file": file, "dialect": "plain"})
    assert (answer.status_code, answer.json()["dialect"]) == (202, "plain")


def test_a_dialect_that_there_is_not_is_refused(api, author, project):
    assert sent(api, author, project, dialect="klingon").status_code == 400
    url = f"/api/v1/uploads/{sent(api, author, project).json()['upload']}/preview/"
    assert api(author).get(url, {"dialect": "klingon"}).status_code == 400


def test_what_is_no_zip_is_refused_and_not_kept(api, author, project):
    file = SimpleUploadedFile("set.zip", b"no zip")
    answer = api(author).post("/api/v1/imports/preview/", {"project": project.pk, "file": file})
    assert answer.json()["errors"][0]["code"] == "not_a_zip"
    assert not ResumableUpload.objects.exists() and not Blob.objects.exists()


def test_the_page_shows_it_and_starts_it_or_gives_it_up(client, author, project):
    client.force_login(author)
    file = SimpleUploadedFile("cd.zip", packed(cd()).getvalue())
    page = client.post(f"/projects/{project.pk}/upload/", {"file": file, "preview": "on"}, follow=True)
    text = page.content.decode()
    for words in (
        "What is in cd.zip",
        "Nothing has come in yet",
        "Passed over",
        "program of a viewer",
        "Start the import",
    ):
        assert words in text
    assert not Import.objects.exists()
    held = ResumableUpload.objects.get()
    assert "See what is in it" in client.get(f"/projects/{project.pk}/upload/").content.decode()
    assert client.get(f"/uploads/{held.pk}/", {"dialect": "plain"}).status_code == 200
    started = client.post(f"/uploads/{held.pk}/start/", {"dialect": "auto"})
    assert started["Location"] == f"/imports/{Import.objects.get().pk}/"
    assert client.get(f"/uploads/{held.pk}/")["Location"] == started["Location"]
    file.seek(0)
    other = client.post(f"/projects/{project.pk}/upload/", {"file": file, "preview": "on"})
    assert client.post(f"{other['Location']}discard/")["Location"] == f"/projects/{project.pk}/upload/"
    assert not ResumableUpload.objects.filter(batch=None).exists()


def test_the_page_without_the_tick_starts_at_once(client, author, project):
    client.force_login(author)
    file = SimpleUploadedFile("set.zip", packed(SET).getvalue())
    assert "Report of the import" in client.post(f"/projects/{project.pk}/upload/", {"file": file}).content.decode()
    assert Import.objects.exists()


def shell(*args) -> str:
    out = io.StringIO()
    call_command("import_dataset", *map(str, args), "--as", "author", stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.mark.parametrize("packing", ["zip", "folder"])
def test_the_shell_says_it_and_stores_nothing(packing, tmp_path, author, project):
    files = {**cd(), "CD/labels.csv": b"image_id,label\nIM000001,NORMAL\n"}
    path = tmp_path / "set"
    if packing == "zip":
        path.write_bytes(packed(files).getvalue())
    else:
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    out = shell(project.name, path, "--preview")
    for words in ("3 scans: 0 pictures, 3 DICOM", "NORMAL: 1", "without a label: 2", "Passed over", "First rows"):
        assert words in out
    assert not Image.objects.exists() and not Blob.objects.exists()


def test_the_shell_fails_where_nothing_would_come_in(tmp_path, author, project):
    (tmp_path / "set.zip").write_bytes(packed({"ZEBRA/a.jpg": NORMAL, "LION/a.jpg": OPACITY}).getvalue())
    with pytest.raises(CommandError, match="No file would come in"):
        shell(project.name, tmp_path / "set.zip", "--preview")


def test_a_large_directory_is_looked_at_without_reading_its_files(api, author, project, monkeypatch):
    from labeling.imports.archive import Archive

    files = {f"{name}/{number:05d}.jpg": b"no picture" + number.to_bytes(4, "big") for name in ("NORMAL", "OPACITY")
             for number in range(1000)}  # fmt: skip
    monkeypatch.setattr(Archive, "read", None)
    monkeypatch.setattr(Archive, "head", None)
    found = sent(api, author, project, files).json()["preview"]
    assert found["scans"] == 2000
