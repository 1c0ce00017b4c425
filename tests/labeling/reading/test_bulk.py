"""Readings of many scans in one call, and the page of scans that a grid holds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from images.models import Image
from labeling.models import Label, Lease
from labeling.reading.grid_leases import claim_batch, release_batch
from labeling.reading.labels import label_scan
from labeling.reading.queue import LEASE, claim_scans
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db
URL = "/api/v1/labels/bulk/"


def keys(scans) -> list[int]:
    return [scan.pk for scan in scans]


def test_many_are_labelled_and_the_one_that_moved_on_is_named(api, author, colleague, project, make_scan):
    scans = [make_scan(seed=seed) for seed in range(3)]
    seen = [scan.version for scan in scans]
    label_scan(actor=colleague, image=scans[1], label_class=project.class_rows.get(name="NORMAL"))
    body = {"images": keys(scans), "versions": seen, "label": "OPACITY", "expected_count": 3}
    answer = api(author).post(URL, body, format="json").json()
    assert (answer["count"], answer["succeeded"]) == (3, 2)
    refused = answer["results"][1]
    assert (refused["image"], refused["ok"], refused["code"]) == (scans[1].code, False, "stale_version")
    assert answer["results"][0]["version"] == Image.objects.get(pk=scans[0].pk).version
    assert {scan.label_class.name for scan in Image.objects.exclude(pk=scans[1].pk)} == {"OPACITY"}
    assert AuditEvent.objects.filter(action="label.create", actor=author).count() == 2


def test_a_lost_answer_that_is_asked_for_again_labels_nothing_twice(api, author, make_scan):
    scan = make_scan(seed=1)
    body = {"images": [scan.code], "versions": [scan.version], "ungradable": "wrong view"}
    first, second = (api(author).post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY="one") for _ in range(2))
    assert first.json() == second.json()
    assert Label.objects.get().ungradable_reason == "wrong view"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"label": "OPACITY", "expected_count": 2}, "count_mismatch"),
        ({"label": "ZEBRA"}, "unknown_class"),
        ({}, "invalid"),
        ({"label": "OPACITY", "ungradable": "wrong view"}, "invalid"),
        ({"label": "OPACITY", "versions": [1, 2]}, "invalid"),
        ({"label": "OPACITY", "images": []}, "invalid"),
    ],
)
def test_what_is_wrong_with_the_whole_call_labels_none(api, author, make_scan, body, code):
    answer = api(author).post(URL, {"images": [make_scan(seed=1).pk], **body}, format="json")
    assert answer.json()["errors"][0]["code"] == code
    assert not Label.objects.exists()


def test_only_ones_own_labels_are_taken_back(api, author, colleague, project, make_scan):
    normal, scans = project.class_rows.get(name="NORMAL"), [make_scan(seed=seed) for seed in range(2)]
    mine = label_scan(actor=author, image=scans[0], label_class=normal).image
    theirs = label_scan(actor=colleague, image=scans[1], label_class=normal).image
    body = {"images": keys([mine, theirs]), "versions": [mine.version, theirs.version]}
    answer = api(author).post(f"{URL}undo/", body, format="json").json()
    assert [(result["ok"], result["code"]) for result in answer["results"]] == [(True, ""), (False, "nothing_to_undo")]
    assert [scan.label_status for scan in Image.objects.order_by("pk")] == ["unlabeled", "labeled"]


def test_only_ones_own_reviews_are_taken_back(api, author, colleague, admin, make_scan):
    url, (mine, theirs) = "/api/v1/reviews/", [make_scan(seed=seed, label="NORMAL") for seed in range(2)]
    done = api(colleague).post(url, {"images": [mine.pk], "status": "rejected"}, format="json").json()
    api(admin).post(url, {"images": [theirs.pk], "status": "approved"}, format="json")
    body = {"images": keys([mine, theirs]), "versions": [done["results"][0]["version"], 99]}
    answer = api(colleague).post(f"{url}bulk/undo/", body, format="json").json()
    assert [(result["ok"], result["code"]) for result in answer["results"]] == [(True, ""), (False, "nothing_to_undo")]
    assert [scan.approval_status for scan in Image.objects.order_by("pk")] == ["pending", "approved"]
    told = api(author).get(url).json()["results"]
    assert [(review["status"], review["taken_back"]) for review in told] == [("approved", False), ("rejected", True)]


def test_a_page_of_scans_is_one_readers_and_what_is_left_goes_back(author, colleague, project, make_scan):
    scans = [make_scan(seed=seed) for seed in range(6)]
    (desk,) = claim_scans(actor=colleague, project=project, task="label")
    mine = claim_batch(actor=author, project=project, n=3)
    assert mine == keys(scans)[1:4] and desk.image_id == scans[0].pk
    # Loaded again: the same ones, held anew. A colleague's page has the others.
    first = Lease.objects.get(image=mine[0]).expires_at
    assert claim_batch(actor=author, project=project, n=3) == mine
    assert Lease.objects.get(image=mine[0]).expires_at > first
    assert claim_batch(actor=colleague, project=project, n=9) == [scans[0].pk, *keys(scans)[4:]]
    # The page that was left says how long it held them: the one that came after it keeps its own.
    assert release_batch(actor=author, project=project, until=first) == 0
    assert release_batch(actor=author, project=project, until=timezone.now() + LEASE) == 3
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert claim_batch(actor=author, project=project, n=9) == keys(scans)
    assert AuditEvent.objects.filter(action="queue.claim", actor=author).count() == 9
