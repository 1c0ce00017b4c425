"""The API of labelling as a client meets it."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images.models import Image
from labeling.imports import worker
from labeling.models import Import, Label, Review
from tests.conftest import scan_bytes

V1 = "/api/v1"


def file(data: bytes | None = None, name: str = "scan.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, scan_bytes(1) if data is None else data)


def zipped(files: dict[str, bytes]) -> SimpleUploadedFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return SimpleUploadedFile("many.zip", out.getvalue())


def first_error(response):
    return response.json()["errors"][0]


def body_of(response) -> bytes:
    return b"".join(response.streaming_content)


def test_an_upload_with_label_and_facts_shows_them_all(api, author, project):
    response = api(author).post(
        f"{V1}/images/",
        {
            "project": project.pk,
            "file": file(),
            "label": "OPACITY",
            "split": "val",
            "patient": "p1",
            "external_id": "x-1",
            "age": "61",
            "metadata": '{"sex": "F"}',
        },
    )
    body = response.json()
    assert response.status_code == 201, body
    assert (body["label"], body["label_status"], body["approval_status"]) == ("OPACITY", "labeled", "pending")
    assert (body["annotator"], body["split"], body["external_id"], body["duplicate"]) == ("author", "val", "x-1", False)
    assert (body["metadata"]["age"], body["metadata"]["sex"]) == (61, "F")
    assert body["patient"] != "p1"
    assert response["ETag"] == f'"{body["version"]}"'


def test_the_same_bytes_again_are_the_same_scan_which_keeps_its_label(api, author, colleague, project):
    first = api(author).post(f"{V1}/images/", {"project": project.pk, "file": file(), "label": "NORMAL"})
    again = api(colleague).post(
        f"{V1}/images/", {"project": project.pk, "file": file(name="b.jpg"), "label": "OPACITY"}
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["id"], again.json()["duplicate"]) == (first.json()["id"], True)
    assert (again.json()["label"], again.json()["annotator"]) == ("NORMAL", "author")


@pytest.mark.parametrize(
    ("changes", "attr"),
    [
        ({"label": "ZEBRA"}, "label"),
        ({"split": "dev"}, "split"),
        ({"age": "250"}, "age"),
        ({"file": b"no picture"}, "file"),
        ({"file": b""}, "file"),
        ({"file": None}, "file"),
        ({"project": "999"}, "project"),
        ({"metadata": "[]"}, "metadata"),
    ],
)
def test_a_bad_upload_names_the_field_and_stores_nothing(changes, attr, api, author, project):
    body = {"project": project.pk, "file": scan_bytes(1), **changes}
    given = {
        key: file(value) if isinstance(value, bytes) else value for key, value in body.items() if value is not None
    }
    response = api(author).post(f"{V1}/images/", given)
    assert response.status_code == 400, response.content
    assert first_error(response)["attr"].split(".")[0] == attr
    assert not Image.objects.exists()


def test_a_zip_is_taken_in_and_its_report_read(api, author, project):
    files = {
        "NORMAL/a.jpg": scan_bytes(1),
        "OPACITY/b.jpg": scan_bytes(2),
        "ZEBRA/c.jpg": scan_bytes(3),
        "NORMAL/d.jpg": b"x",
    }
    response = api(author).post(f"{V1}/imports/", {"project": project.pk, "file": zipped(files)})
    assert response.status_code == 202
    assert response.json()["status"] == "queued"
    worker.run(Import.objects.get().pk)
    body = api(author).get(response["Location"]).json()
    assert (body["status"], body["progress"], body["error"]) == ("succeeded", 1.0, "")
    assert [body[name] for name in ("total", "done", "created", "duplicates", "rejected")] == [4, 4, 2, 0, 2]
    assert {error["path"]: error["code"] for error in body["errors"]}["ZEBRA/c.jpg"] == "unknown_class"
    assert all(error["detail"] for error in body["errors"])
    assert body["result"] == {"created": 2, "duplicates": 0, "rejected": 2, "warnings": 0}
    assert "errors" not in api(author).get(f"{V1}/imports/").json()["results"][0]


def test_what_is_no_zip_is_a_400(api, author, project):
    response = api(author).post(f"{V1}/imports/", {"project": project.pk, "file": file(b"no zip", "x.zip")})
    assert response.status_code == 400
    assert first_error(response) == {"code": "not_a_zip", "detail": first_error(response)["detail"], "attr": "file"}


def test_a_label_is_201_and_the_same_again_200(api, author, make_scan):
    scan = make_scan(seed=1)
    client = api(author)
    body = {"image": scan.code, "label": "NORMAL", "comment": "clear"}
    first, again = client.post(f"{V1}/labels/", body), client.post(f"{V1}/labels/", body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["image"], shown["label"], shown["confidence_score"], shown["annotator"], shown["source"]) == (
        scan.code, "NORMAL", None, "author", "doctor",
    )  # fmt: skip
    assert shown["label_id"] == Label.objects.get().pk
    assert first["ETag"] == f'"{scan.version + 1}"'


def test_ungradable_needs_a_reason_and_stands_alone(api, author, make_scan):
    scan = make_scan(seed=1)
    client = api(author)
    done = client.post(f"{V1}/labels/", {"image": scan.pk, "ungradable": "blurred"})
    assert (done.status_code, done.json()["label"], done.json()["ungradable"]) == (201, None, "blurred")
    for body in ({}, {"label": "NORMAL", "ungradable": "x"}, {"ungradable": " "}, {"label": "ZEBRA"}):
        assert client.post(f"{V1}/labels/", {"image": scan.pk, **body}).status_code == 400


def test_if_match_guards_labels_and_reviews(api, author, colleague, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    stale = {"HTTP_IF_MATCH": f'"{scan.version - 1}"'}
    label = api(author).post(f"{V1}/labels/", {"image": scan.pk, "label": "OPACITY"}, **stale)
    review = api(colleague).post(f"{V1}/reviews/", {"image": scan.pk, "status": "approved"}, **stale)
    assert (label.status_code, review.status_code) == (412, 412)
    assert first_error(label)["code"] == "stale_version"
    good = api(colleague).post(
        f"{V1}/reviews/", {"image": scan.pk, "status": "approved"}, HTTP_IF_MATCH=f'"{scan.version}"'
    )
    assert (good.status_code, good["ETag"]) == (201, f'"{scan.version + 1}"')


def test_the_author_is_refused_by_four_eyes_and_a_colleague_approves(api, author, colleague, make_scan):
    scan = make_scan(seed=1, label="NORMAL")
    body = {"image": scan.code, "status": "approved"}
    refused = api(author).post(f"{V1}/reviews/", body)
    assert (refused.status_code, first_error(refused)["code"]) == (403, "four_eyes")
    done = api(colleague).post(f"{V1}/reviews/", body)
    assert (done.status_code, done.json()["status"], done.json()["reviewer"]) == (201, "approved", "colleague")
    assert api(author).get(f"{V1}/images/{scan.code}/").json()["approval_status"] == "approved"


def test_reviewing_what_has_no_label_is_a_conflict(api, colleague, make_scan):
    response = api(colleague).post(f"{V1}/reviews/", {"image": make_scan(seed=1).pk, "status": "approved"})
    assert (response.status_code, first_error(response)["code"]) == (409, "nothing_to_review")


def test_many_reviews_answer_for_each_scan(api, author, colleague, make_scan):
    good, own = make_scan(seed=1, label="NORMAL"), make_scan(seed=2, label="NORMAL", actor=colleague)
    body = {"images": [good.code, own.pk, good.pk], "status": "approved", "expected_count": 2}
    response = api(colleague).post(f"{V1}/reviews/", body, format="json")
    assert response.status_code == 200
    assert (response.json()["count"], response.json()["succeeded"]) == (2, 1)
    assert [(r["image"], r["ok"], r["code"]) for r in response.json()["results"]] == [
        (good.code, True, ""),
        (own.code, False, "four_eyes"),
    ]


def test_one_invisible_scan_refuses_the_whole_call(api, admin, colleague, make_scan):
    from images.services import create_project

    other = create_project(actor=admin, name="Other", classes=["NORMAL", "OPACITY"])
    mine, foreign = make_scan(seed=1, label="NORMAL"), make_scan(seed=2, label="NORMAL", actor=admin, into=other)
    for bad in (foreign.pk, "img999999", "nonsense", None, {}):
        response = api(colleague).post(
            f"{V1}/reviews/", {"images": [mine.pk, bad], "status": "approved"}, format="json"
        )
        assert (response.status_code, first_error(response)["code"]) == (400, "does_not_exist"), bad
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"images": []}, 400),
        ({"images": "img000001"}, 400),
        ({"images": [1] * 1001}, 400),
        ({}, 400),
        ({"import": 1}, 400),
        ({"image": 1, "images": [1]}, 400),
    ],
)
def test_a_bulk_review_that_makes_no_sense_is_refused(body, status, api, colleague, project):
    response = api(colleague).post(f"{V1}/reviews/", {"status": "approved", **body}, format="json")
    assert response.status_code == status


def test_an_import_is_reviewed_with_the_number_that_was_seen(api, author, colleague, project):
    files = {"NORMAL/a.jpg": scan_bytes(1), "OPACITY/b.jpg": scan_bytes(2)}
    started = api(author).post(f"{V1}/imports/", {"project": project.pk, "file": zipped(files)})
    worker.run(started.json()["id"])
    body = {"import": started.json()["id"], "status": "approved"}
    client = api(colleague)
    wrong = client.post(f"{V1}/reviews/", {**body, "expected_count": 5}, format="json")
    assert (wrong.status_code, first_error(wrong)["code"]) == (409, "count_mismatch")
    right = client.post(f"{V1}/reviews/", {**body, "expected_count": 2}, format="json")
    assert (right.status_code, right.json()["succeeded"]) == (200, 2)


def test_the_queue_hands_out_scans_and_is_empty_with_204(api, author, colleague, make_scan, project):
    scans = [make_scan(seed=seed) for seed in range(2)]
    body = {"project": project.pk, "task": "label", "n": 3}
    response = api(author).post(f"{V1}/queue/claim/", body, format="json")
    assert response.status_code == 200
    assert [row["id"] for row in response.json()["results"]] == [scan.pk for scan in scans]
    assert response.json()["results"][0]["expires_at"].endswith("Z")
    assert api(colleague).post(f"{V1}/queue/claim/", body, format="json").status_code == 204
    released = api(author).post(
        f"{V1}/queue/release/", {"project": project.pk, "images": [scans[0].code]}, format="json"
    )
    assert released.json() == {"released": 1}
    assert api(colleague).post(f"{V1}/queue/claim/", body, format="json").status_code == 200
    for bad in ({"n": 4}, {"n": 0}, {"order": "best"}, {"task": "dance"}, {"project": 999}):
        assert api(author).post(f"{V1}/queue/claim/", {**body, **bad}, format="json").status_code == 400


def test_a_data_set_shows_its_content_and_leaves_as_a_zip(api, author, make_snapshot):
    snapshot = make_snapshot(4)
    body = api(author).get(f"{V1}/datasets/{snapshot.code}/").json()
    assert (body["dataset_id"], body["content_hash"], body["grouping"]) == (
        snapshot.code,
        snapshot.content_hash,
        "patient",
    )
    assert body["split"] == {"train": 4, "val": 4, "test": 4}
    assert body["class_counts"]["NORMAL"] == {"train": 2, "val": 2, "test": 2}
    assert (body["classes"], body["member_count"], len(body["members"]), body["left_out"]) == (
        ["NORMAL", "OPACITY"],
        12,
        12,
        [],
    )
    page = api(author).get(f"{body['members_url']}?page_size=5").json()
    assert len(page["results"]) == 5 and page["next"]
    export = api(author).get(body["export_url"], HTTP_ACCEPT="application/zip")
    assert (export.status_code, export["Content-Type"]) == (200, "application/zip")
    assert len(zipfile.ZipFile(io.BytesIO(body_of(export))).namelist()) == 16


def test_freezing_too_little_is_a_conflict_that_says_what_is_missing(api, admin, author, project):
    response = api(admin).post(f"{V1}/datasets/", {"project": project.pk})
    assert (response.status_code, first_error(response)["code"]) == (409, "not_enough_data")
    assert "NORMAL has 0" in first_error(response)["detail"]
    assert api(author).post(f"{V1}/datasets/", {"project": project.pk}).status_code == 403


@pytest.mark.parametrize("name", ["imports", "labels", "reviews", "datasets"])
def test_outsiders_find_empty_lists_and_no_object(name, api, outsider, author, make_snapshot, project):
    make_snapshot(4)
    api(author).post(f"{V1}/imports/", {"project": project.pk, "file": zipped({"a.jpg": scan_bytes(1)})})
    rows = api(author).get(f"{V1}/{name}/").json()["results"]
    assert rows
    assert api(outsider).get(f"{V1}/{name}/").json()["results"] == []
    assert api(outsider).get(f"{V1}/{name}/{rows[0]['id']}/").status_code == 404
    assert api().get(f"{V1}/{name}/").status_code == 401
    assert api(author).get(f"{V1}/{name}/?project=999").json()["results"] == []
    assert api(author).get(f"{V1}/{name}/?format=csv").status_code == 200


def test_rows_that_are_append_only_cannot_be_changed_or_deleted(api, admin, make_scan):
    make_scan(seed=1, label="NORMAL")
    label = Label.objects.get()
    for method in ("put", "patch", "delete"):
        assert getattr(api(admin), method)(f"{V1}/labels/{label.pk}/").status_code == 405


@pytest.mark.parametrize("name", ["labels", "reviews", "imports", "datasets"])
def test_a_longer_list_asks_the_database_no_more_often(name, api, author, colleague, make_scan, make_snapshot, project):
    from labeling.reading.reviews import review_scan

    make_snapshot(4)
    Import.objects.create(project=project, created_by=author, file_name="x.zip")
    client = api(author)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(f"{V1}/{name}/").status_code == 200
        return len(found)

    queries()
    before = queries()
    for seed in range(4):
        review_scan(actor=colleague, image=make_scan(seed=seed, label="NORMAL"), status="approved")
        Import.objects.create(project=project, created_by=author, file_name="x.zip")
    assert queries() == before
