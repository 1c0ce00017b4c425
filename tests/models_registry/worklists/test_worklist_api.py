"""Referred scans and grade batches over HTTP, with real access tokens."""

import csv
import io

import pytest

from mediscan_site.core.models import AuditEvent
from models_registry.batches.worker import run_batch
from models_registry.deployments.services import deploy
from models_registry.models import GradeBatch

pytestmark = pytest.mark.django_db


@pytest.fixture
def unsure(make_version, admin):
    deploy(actor=admin, model=make_version(threshold=1.1))


@pytest.fixture
def batch(unsure, api, author, make_scan):
    scans = [make_scan(seed=seed).code for seed in (1, 2)]
    answer = api(author).post("/api/v1/grade-batches/", {"images": scans}, format="json")
    assert answer.status_code == 202, answer.content
    assert answer["Location"].endswith(f"/api/v1/grade-batches/{answer.data['id']}/")
    assert (answer.data["status"], answer.data["waiting"], answer.data["origin"]) == ("queued", 2, "selection")
    run_batch(answer.data["id"])
    return answer.data["id"]


def test_a_batch_says_how_far_it_is_and_what_came_of_each_scan(api, author, batch):
    client = api(author)
    found = client.get(f"/api/v1/grade-batches/{batch}/").json()
    assert (found["status"], found["progress"], found["referred"], found["waiting"]) == ("succeeded", 1.0, 2, 0)
    assert found["result"] == {"answered": 0, "referred": 2}
    rows = client.get(f"/api/v1/grade-batches/{batch}/results/").json()["results"]
    assert [row["image"] for row in rows] == sorted(row["image"] for row in rows)
    assert {(row["outcome"], row["decision"], row["label"]) for row in rows} == {("referred", "refer", None)}
    assert rows[0]["reasons"] == ["below_threshold"]
    assert client.get(f"/api/v1/grade-batches/{batch}/results/?outcome=failed").json()["results"] == []
    assert client.get(f"/api/v1/grade-batches/{batch}/results/?outcome=lost").status_code == 400
    assert [row["id"] for row in client.get("/api/v1/grade-batches/?origin=selection").json()["results"]] == [batch]


def test_the_results_leave_as_csv_on_record_with_what_was_asked_before(api, author, batch):
    answer = api(author).post("/api/v1/grade-batches/", {"images": images_of(api, author, batch)}, format="json")
    run_batch(answer.data["id"])
    file = api(author).get(f"/api/v1/grade-batches/{answer.data['id']}/results/?format=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(file.streaming_content).decode())))
    first = api(author).get(f"/api/v1/grade-batches/{batch}/results/").json()["results"]
    assert [row["graded_before"] for row in rows] == [str(row["grade"]) for row in first]
    assert all(row["graded_before_at"] for row in rows)
    event = AuditEvent.objects.filter(action="list.download").get()
    assert (event.object_type, event.details["rows"]) == ("gradebatch", 2)
    history = api(author).get("/api/v1/history/").json()["results"]
    assert sorted(row["graded_before"] or 0 for row in history)[:2] == [0, 0]


def images_of(api, who, batch: int) -> list[str]:
    return [row["image"] for row in api(who).get(f"/api/v1/grade-batches/{batch}/results/").json()["results"]]


@pytest.mark.parametrize(
    ("body", "attr"),
    [({}, "project"), ({"images": []}, "images"), ({"images": ["img999999"]}, "images"), ({"import": 999}, "import")],
)
def test_what_names_no_scans_is_refused(api, author, unsure, body, attr):
    answer = api(author).post("/api/v1/grade-batches/", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith(attr)
    assert not GradeBatch.objects.exists()


def test_a_filter_that_there_is_not_and_a_choice_of_two_are_refused(api, author, unsure, project, make_scan):
    scan = make_scan(seed=1)
    for body in ({"filters": {"colour": "red"}}, {"images": [scan.code], "filters": {"split": "test"}}):
        answer = api(author).post("/api/v1/grade-batches/", {"project": project.pk, **body}, format="json")
        assert answer.status_code == 400, body


def test_a_batch_is_cancelled(api, author, unsure, project, make_scan):
    make_scan(seed=1)
    made = api(author).post("/api/v1/grade-batches/", {"project": project.pk}, format="json").data
    answer = api(author).post(f"/api/v1/grade-batches/{made['id']}/cancel/")
    assert (answer.status_code, answer.data["status"]) == (202, "cancelled")


def test_a_referred_scan_is_claimed_read_and_told_about(api, author, colleague, project, batch):
    client = api(author)
    listed = client.get(f"/api/v1/referrals/?project={project.pk}&state=waiting").json()["results"]
    assert len(listed) == 2
    assert all(row["reasons"] == [] and row["prediction"] is None and row["grade"] is None for row in listed)
    taken = client.post("/api/v1/referrals/claim/", {"project": project.pk}, format="json").json()["results"]
    assert [(row["id"], row["holder"]) for row in taken] == [(listed[0]["id"], "author")]
    others = api(colleague).post("/api/v1/referrals/claim/", {"project": project.pk, "n": 3}, format="json")
    assert [row["id"] for row in others.json()["results"]] == [listed[1]["id"]]

    address = f"/api/v1/referrals/{taken[0]['id']}/read/"
    blocked = api(colleague).post(address, {"label": "NORMAL"}, format="json")
    assert blocked.json()["errors"][0]["code"] == "referral_taken"
    assert client.post(address, {"label": "NORMAL", "ungradable": "x"}, format="json").status_code == 400
    assert client.post(address, {"label": "CAT"}, format="json").json()["errors"][0]["code"] == "unknown_class"
    read = client.post(address, {"label": "NORMAL", "comment": "Clear."}, format="json")
    assert read.status_code == 201, read.content
    told = read.json()
    assert (told["state"], told["outcome"], told["read_by"], told["reading"]) == ("closed", "read", "author", "NORMAL")
    assert told["reasons"] == ["below_threshold"]
    assert told["prediction"] in ("NORMAL", "OPACITY")
    assert told["sentences"][0].startswith("The model is not sure enough")
    over = client.post(address, {"label": "NORMAL"}, format="json")
    assert over.json()["errors"][0]["code"] == "referral_over"


def test_a_read_that_is_held_for_an_administrator_is_found_and_told_in_the_timeline(api, author, unsure, make_scan):
    scan = make_scan(seed=1, split="test")
    made = api(author).post("/api/v1/grade-batches/", {"images": [scan.code]}, format="json").data
    run_batch(made["id"])
    assert api(author).get("/api/v1/referrals/?held_for_admin=true").json()["results"] == []
    (waiting,) = api(author).get("/api/v1/referrals/").json()["results"]
    api(author).post(f"/api/v1/referrals/{waiting['id']}/read/", {"ungradable": "wrong view"}, format="json")
    (held,) = api(author).get("/api/v1/referrals/?held_for_admin=true").json()["results"]
    assert (held["held_for_admin"], held["label"], held["ungradable"]) == (True, None, "wrong view")
    moments = api(author).get(f"/api/v1/images/{scan.code}/timeline/").json()["results"]
    (told,) = [moment["text"] for moment in moments if moment["kind"] == "read"]
    assert told == "referred scan read as ungradable: wrong view (a scan of a test split: held for an administrator)"


def test_nothing_waits_is_204_and_giving_back_says_how_many(api, author, colleague, project, batch):
    body = {"project": project.pk, "n": 2}
    assert api(author).post("/api/v1/referrals/claim/", body, format="json").status_code == 200
    assert api(colleague).post("/api/v1/referrals/claim/", body, format="json").status_code == 204
    given = api(author).post("/api/v1/referrals/release/", {"project": project.pk}, format="json")
    assert given.data == {"released": 2}
    assert api(colleague).post("/api/v1/referrals/claim/", body, format="json").status_code == 200
