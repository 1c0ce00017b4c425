"""Data sets in the API: what the JSON says, the manifest, what changed between two, and merged patients."""

import csv
import hashlib
import io
import json
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as Picture

from images.models import Image
from images.services import delete_scan, duplicates
from images.services.classes import rename_class
from labeling.datasets.freezing import freeze_snapshot
from labeling.reading.labels import label_scan
from labeling.reading.reviews import review_scan
from mediscan_site.core.models import Blob, WorkStatus
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions.fairness import next_test_read
from tests.conftest import scan_bytes


def version_of(snapshot, admin) -> ModelVersion:
    """A version without a bundle: enough to have read a test set."""
    digest = "0" * 64
    blob = Blob.objects.create(path="x", size=0, sha256=digest, stored_size=0, stored_sha256=digest, key_id="k")
    return ModelVersion.objects.create(
        project=snapshot.project,
        number=1,
        name="chest",
        architecture="resnet18",
        snapshot=snapshot,
        bundle=blob,
        bundle_sha256=digest,
        source="test",
        classes=snapshot.classes,
        created_by=admin,
    )


def body_of(response) -> bytes:
    return b"".join(response.streaming_content)


def test_a_data_set_says_its_test_set_its_readings_and_who_was_erased(make_snapshot, api, author, admin):
    snapshot = make_snapshot(4)
    shown = api(author).get(f"/api/v1/datasets/{snapshot.code}/").json()
    assert (shown["test_hash"], shown["test_version"], shown["test_reads"], shown["erased"]) == (
        snapshot.test_hash,
        1,
        0,
        0,
    )
    assert (len(snapshot.test_hash), shown["disagreements"]) == (64, [])
    delete_scan(actor=admin, image=snapshot.members.first().image)
    assert api(author).get(f"/api/v1/datasets/{snapshot.pk}/").json()["erased"] == 1
    (listed,) = api(author).get("/api/v1/datasets/").json()["results"]
    assert (listed["erased"], listed["test_version"]) == (1, 1)


def test_the_page_says_the_numbers_that_were_frozen_by_the_names_of_now(make_snapshot, client, admin):
    snapshot = make_snapshot(4)
    rename_class(actor=admin, project_class=snapshot.project.class_rows.get(name="NORMAL"), name="healthy")
    delete_scan(actor=admin, image=snapshot.members.first().image)
    counted = Counter(snapshot.members.values_list("label_class__name", "split"))
    client.force_login(admin)
    with CaptureQueriesContext(connection) as asked:
        shown = client.get(f"/datasets/{snapshot.pk}/").context["counts"]
    assert [(row.name, row.total) for row in shown] == [("OPACITY", 6), ("healthy", 6)]
    assert {(row.name, side): number for row in shown for side, number in row.splits.items()} == counted
    assert not [query for query in asked if "split" in query["sql"].partition("GROUP BY")[2]]


def test_readings_count_per_test_set_whichever_data_set_they_came_through(
    make_snapshot, approved_scans, api, author, admin, project
):
    first = make_snapshot(4)
    approved_scans(2, first_seed=8000, split="train")
    second = freeze_snapshot(actor=admin, project=project)
    Evaluation.objects.create(
        model=version_of(first, admin),
        snapshot=first,
        origin="request",
        requested_by=admin,
        status=WorkStatus.SUCCEEDED,
        test_reads=1,
    )
    assert first.test_hash == second.test_hash and first.pk != second.pk
    assert next_test_read(second) == 2
    assert api(author).get(f"/api/v1/datasets/{second.pk}/").json()["test_reads"] == 1


def test_the_manifest_is_enough_to_check_both_hashes(make_snapshot, api, author):
    snapshot = make_snapshot(4)
    response = api(author).get(f"/api/v1/datasets/{snapshot.code}/manifest/")
    assert response["Content-Disposition"] == f'attachment; filename="{snapshot.code}.json"'
    manifest = json.loads(body_of(response))
    ids = {row["name"]: row["id"] for row in manifest["classes"]}
    rows = [[row["sha256"], ids[row["label"]], row["split"]] for row in manifest["members"]]
    test = [row[:2] for row in rows if row[2] == "test"]
    for content, digest in ((rows, "content_hash"), (test, "test_hash")):
        text = json.dumps([list(ids.values()), sorted(content)], separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == manifest[digest] == getattr(snapshot, digest)
    assert (len(rows), manifest["left_out"], manifest["split"]) == (12, [], {"train": 4, "val": 4, "test": 4})
    assert all(row["group"].startswith("patient:") and not row["erased"] for row in manifest["members"])


def test_the_manifest_as_csv_has_a_line_per_member(make_snapshot, api, author, admin):
    snapshot = make_snapshot(4)
    gone = snapshot.members.first().image
    delete_scan(actor=admin, image=gone)
    response = api(author).get(f"/api/v1/datasets/{snapshot.pk}/manifest/", {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(body_of(response).decode())))
    assert list(rows[0]) == ["image", "sha256", "label", "split", "group", "frames", "erased"]
    erased = next(row for row in rows if row["image"] == gone.code)
    assert (len(rows), erased["sha256"], erased["erased"]) == (12, "", "True")


def test_what_changed_between_two_data_sets(make_snapshot, approved_scans, api, author, colleague, admin, project):
    first = make_snapshot(4)
    (new,) = approved_scans(1, first_seed=8000, split="train")
    changed, gone = (member.image for member in first.members.filter(split="train", label_class__name="NORMAL"))
    label_scan(actor=author, image=changed, label_class=project.class_rows.get(name="OPACITY"))
    review_scan(actor=colleague, image=Image.objects.get(pk=changed.pk), status="approved")
    approved_scans(2, first_seed=8100, split="train")
    delete_scan(actor=admin, image=gone)
    second = freeze_snapshot(actor=admin, project=project)
    url = f"/api/v1/datasets/{second.code}/diff/"
    found = api(author).get(url, {"against": first.code}).json()
    assert {"image": new.code, "label": "NORMAL", "split": "train"} in found["added"] and len(found["added"]) == 3
    assert found["removed"] == [{"image": gone.code, "label": "NORMAL", "split": "train"}]
    assert found["relabelled"] == [{"image": changed.code, "before": "NORMAL", "after": "OPACITY"}]
    assert (found["moved"], found["same_test_set"], found["against"]) == ([], True, first.code)
    back = api(author).get(f"/api/v1/datasets/{first.pk}/diff/", {"against": second.pk}).json()
    assert (back["added"], len(back["removed"])) == (found["removed"], 3)
    assert back["relabelled"] == [{"image": changed.code, "before": "OPACITY", "after": "NORMAL"}]


def test_a_diff_needs_another_data_set_of_the_same_project(make_snapshot, api, author, admin):
    from images.services import add_member, create_project
    from labeling.models import Snapshot

    snapshot = make_snapshot(4)
    other = create_project(actor=admin, name="Other", classes=["A", "B"])
    add_member(actor=admin, project=other, user=author)
    foreign = Snapshot.objects.create(
        project=other, content_hash="0" * 64, grouping="none", classes=[], class_counts={}, created_by=admin
    )
    url = f"/api/v1/datasets/{snapshot.pk}/diff/"
    for query, code in (({}, "required"), ({"against": "dataset999"}, "does_not_exist")):
        refused = api(author).get(url, query)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, code)
    refused = api(author).get(url, {"against": foreign.pk})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "does_not_exist")


@pytest.fixture
def lookalikes(make_scan, project, author):
    from images.services import ScanFacts, store_scan

    first, buffer = make_scan(seed=1, label="NORMAL"), io.BytesIO()
    Picture.open(io.BytesIO(scan_bytes(1))).save(buffer, "JPEG", quality=60)
    source = io.BytesIO(buffer.getvalue())
    second, _ = store_scan(actor=author, project=project, source=source, file_name="b.jpg", facts=ScanFacts())
    duplicates.compare_project(project.pk, budget_s=60)
    return first, second


def test_a_scan_names_its_near_duplicates_and_its_page_shows_them(lookalikes, api, author, client):
    first, second = lookalikes
    assert api(author).get(f"/api/v1/images/{first.pk}/").json()["near_duplicates"] == [second.code]
    client.force_login(author)
    page = client.get(f"/scans/{second.pk}/").content.decode()
    assert "Looks the same as" in page and f"/scans/{first.pk}/" in page


def test_merging_patients_through_the_api(make_scan, api, admin, project):
    scan = make_scan(seed=1, patient="ann")
    kept = make_scan(seed=2, patient="anne")
    url = f"/api/v1/projects/{project.pk}/merge-patients/"
    answer = api(admin).post(url, {"source": "ann", "target": kept.patient}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"scans": 1})
    assert Image.objects.get(pk=scan.pk).patient == kept.patient
    again = api(admin).post(url, {"source": "ann", "target": "nobody"}, format="json")
    assert (again.status_code, again.json()["errors"][0]["attr"]) == (400, "target")


def test_merging_patients_on_the_page(make_scan, admin, project, client):
    scan, kept = make_scan(seed=1, patient="ann"), make_scan(seed=2, patient="anne")
    client.force_login(admin)
    url = f"/projects/{project.pk}/merge-patients/"
    assert url in client.get(f"/projects/{project.pk}/").content.decode()
    refused = client.post(url, {"source": "ann", "target": "nobody"})
    assert refused.status_code == 400 and "No scan of this project is of this patient" in refused.content.decode()
    assert "1 scan moved" in client.post(url, {"source": "ann", "target": "anne"}, follow=True).content.decode()
    assert Image.objects.get(pk=scan.pk).patient == kept.patient


def test_the_pages_of_data_sets_show_changes_and_warn_of_erased_scans(
    make_snapshot, approved_scans, admin, author, project, client
):
    first = make_snapshot(4)
    client.force_login(author)
    assert "no earlier data set" in client.get(f"/datasets/{first.pk}/diff/").content.decode()
    approved_scans(2, first_seed=8000, split="train")
    second = freeze_snapshot(actor=admin, project=project)
    page = client.get(f"/datasets/{second.pk}/").content.decode()
    assert "version 1, read 0 times" in page and first.code in page and "train again" not in page
    changes = client.get(f"/datasets/{second.pk}/diff/", {"against": first.pk}).content.decode()
    assert "Added (2)" in changes and "the same, version 1" in changes
    assert client.get(f"/datasets/{second.pk}/diff/", {"against": "999"}).status_code == 400
    delete_scan(actor=admin, image=second.members.all()[0].image)
    assert "1 of its scans has since been erased" in client.get(f"/datasets/{second.pk}/").content.decode()
