"""Exports over HTTP: a job, a link, a file that can be fetched in parts."""

import io
import zipfile

import pytest

from labeling.exports import worker
from labeling.models import Export
from mediscan_site.core.http import ranges
from mediscan_site.core.models import WorkStatus

pytestmark = pytest.mark.django_db


def body_of(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


@pytest.fixture
def ready(make_scan, author, project, api):
    """The URL of a ZIP that can be fetched, as its job says it."""
    make_scan(seed=1, label="NORMAL")
    client = api(author)
    started = client.post("/api/v1/exports/", {"project": project.pk}, format="json")
    assert started.status_code == 202, started.data
    worker.run(started.data["id"])
    return client.get(started["Location"]).data


def test_an_export_is_a_job_with_a_link_when_ready(make_snapshot, author, api):
    snapshot = make_snapshot(4)
    client = api(author)
    started = client.post("/api/v1/exports/", {"dataset": snapshot.code}, format="json")
    assert started.status_code == 202
    assert (started.data["status"], started.data["file_url"], started.data["result"]) == ("queued", None, None)
    assert (started.data["dataset"], started.data["project"]) == (snapshot.code, snapshot.project_id)
    worker.run(started.data["id"])
    done = client.get(started["Location"]).data
    assert (done["status"], done["progress"], done["done"], done["error"]) == ("succeeded", 1.0, 12, "")
    found = client.get(done["file_url"])
    assert (found.status_code, found["Content-Type"], found["X-Content-Type-Options"]) == (
        200,
        "application/zip",
        "nosniff",
    )
    assert f'filename="{snapshot.code}.zip"' in found["Content-Disposition"]
    data = body_of(found)
    assert len(data) == done["result"]["bytes"]
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_a_data_set_exports_itself_at_once_or_by_a_worker(make_snapshot, author, api):
    snapshot = make_snapshot(4)
    client = api(author)
    at_once = body_of(client.get(f"/api/v1/datasets/{snapshot.code}/export/?files=renditions"))
    assert sum(name.endswith(".png") for name in zipfile.ZipFile(io.BytesIO(at_once)).namelist()) == 12
    assert client.get(f"/api/v1/datasets/{snapshot.code}/export/?files=all").status_code == 400
    started = client.post(f"/api/v1/datasets/{snapshot.code}/export/")
    assert (started.status_code, started.data["dataset"]) == (202, snapshot.code)
    worker.run(started.data["id"])
    made = body_of(client.get(client.get(started["Location"]).data["file_url"]))
    names = zipfile.ZipFile(io.BytesIO(made)).namelist()
    assert sum(name.endswith(".jpg") for name in names) == 12
    assert set(
        zipfile.ZipFile(io.BytesIO(body_of(client.get(f"/api/v1/datasets/{snapshot.pk}/export/")))).namelist()
    ) == set(names)


@pytest.mark.parametrize("nested", [False, True])
def test_filters_may_stand_beside_or_below(nested, make_scan, author, project, api):
    make_scan(seed=1, label="NORMAL")
    make_scan(seed=2, label="OPACITY")
    asked = {"label": "NORMAL", "approval_status": "pending"}
    body = {"project": project.pk, **({"filters": asked} if nested else asked), "files": "renditions"}
    started = api(author).post("/api/v1/exports/", body, format="json")
    assert started.status_code == 202, started.data
    assert (started.data["filters"], started.data["files"]) == (asked, "renditions")
    worker.run(started.data["id"])
    assert api(author).get(started["Location"]).data["done"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "attr"),
    [
        ({}, 400, "required", "project"),
        ({"dataset": "dataset999"}, 400, "does_not_exist", "dataset"),
        ({"project": "@", "files": "all"}, 400, "invalid_choice", "files"),
        ({"project": "@", "split": "half"}, 400, "invalid", "split"),
        ({"project": "@", "filters": {"shoe": "44"}}, 400, "invalid", "filters"),
        ({"project": "@", "label": "OPACITY"}, 409, "nothing_to_export", None),
    ],
)
def test_a_wrong_request_is_refused(body, status, code, attr, make_scan, author, project, api):
    make_scan(seed=1)
    sent = {name: project.pk if value == "@" else value for name, value in body.items()}
    answer = api(author).post("/api/v1/exports/", sent, format="json")
    error = answer.data["errors"][0]
    assert (answer.status_code, error["code"], error["attr"]) == (status, code, attr)
    assert not Export.objects.exists()


def test_the_same_key_starts_one_export(make_scan, author, project, api):
    make_scan(seed=1)
    ids = {
        api(author)
        .post("/api/v1/exports/", {"project": project.pk}, format="json", HTTP_IDEMPOTENCY_KEY="k")
        .json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 1 == Export.objects.count()


def test_the_list_is_filtered_and_others_see_nothing(ready, author, outsider, project, api):
    found = api(author).get("/api/v1/exports/", {"project": project.pk, "status": "succeeded"}).data["results"]
    assert [row["id"] for row in found] == [ready["id"]]
    assert api(author).get("/api/v1/exports/", {"status": "queued"}).data["results"] == []
    assert api(outsider).get("/api/v1/exports/").data["results"] == []
    assert api(outsider).get(ready["file_url"]).status_code == 404


def test_a_file_that_is_not_there_says_why(ready, author, api):
    client = api(author)
    assert client.delete(f"/api/v1/exports/{ready['id']}/").status_code == 204
    gone = client.get(ready["file_url"])
    assert (gone.status_code, gone.data["errors"][0]["code"]) == (409, "export_gone")
    assert client.get(f"/api/v1/exports/{ready['id']}/").data["file_url"] is None
    Export.objects.update(status=WorkStatus.RUNNING)
    early = client.get(ready["file_url"])
    assert (early.status_code, early.data["errors"][0]["code"]) == (409, "export_not_ready")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=5-99999999", slice(5, None)),
    ],
)
def test_a_part_of_the_file_can_be_fetched(asked, part, ready, author, api):
    whole = api(author).get(ready["file_url"])
    data = body_of(whole)
    assert whole["Accept-Ranges"] == "bytes"
    found = api(author).get(ready["file_url"], HTTP_RANGE=asked, HTTP_IF_RANGE=whole["ETag"])
    assert found.status_code == 206
    assert body_of(found) == data[part]
    first, last = range(len(data))[part][0], range(len(data))[part][-1]
    assert found["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert found["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["bytes=9-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x-"])
def test_what_is_no_single_range_gets_the_whole(asked, ready, author, api):
    assert api(author).get(ready["file_url"], HTTP_RANGE=asked).status_code == 200


def test_a_range_of_another_file_gets_the_whole(ready, author, api):
    headers = {"HTTP_RANGE": "bytes=5-", "HTTP_IF_RANGE": '"another"'}
    assert api(author).get(ready["file_url"], **headers).status_code == 200


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(asked, ready, author, api):
    found = api(author).get(ready["file_url"], HTTP_RANGE=asked)
    assert (found.status_code, found["Content-Range"]) == (416, f"bytes */{ready['result']['bytes']}")


def test_a_long_range_leaves_in_blocks(ready, author, api, monkeypatch):
    monkeypatch.setattr(ranges, "BLOCK", 1000)
    found = api(author).get(ready["file_url"], HTTP_RANGE="bytes=0-2499")
    assert [len(block) for block in found.streaming_content] == [1000, 1000, 500]


def test_the_list_is_also_a_csv(ready, author, api):
    lines = body_of(api(author).get("/api/v1/exports/?format=csv")).decode().splitlines()
    assert {"id", "status", "file_url"} <= set(lines[0].split(","))
    assert len(lines) == 2
    assert ready["file_url"] in lines[1]
