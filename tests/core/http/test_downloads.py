"""A list that leaves as a file is on record: who, which list, by which filters, how many rows; and no word that was typed."""

import pytest

from images.services import grant
from mediscan_site.core.models import AuditEvent

pytestmark = pytest.mark.django_db


def taken():
    return AuditEvent.objects.filter(action="list.download").order_by("id")


def download(client, path: str, **query: object):
    answer = client.get(path, {"format": "csv", **query})
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content)


def test_a_list_of_scans_names_its_project_its_filters_and_its_rows(api, author, project, make_scan):
    for seed in (1, 2, 3):
        make_scan(seed=seed, split="train" if seed < 3 else None)
    download(api(author), "/api/v1/images/", project=project.pk, split="train", search="Smith", external_id="Jones 5")
    download(api(author), "/api/v1/images/", project=project.pk, split="train", uploaded_after="2001-01-01T00:00:00Z")
    empty, full = taken()
    assert (empty.actor, empty.project, empty.details["rows"]) == (author, None, 0)
    assert empty.details["filters"] == {
        "project": str(project.pk),
        "split": "train",
        "search": "(not kept)",
        "external_id": "(not kept)",
    }
    assert (full.project, full.details["file"], full.details["rows"]) == (project.pk, "image.csv", 2)
    assert full.details["filters"]["uploaded_after"] == "2001-01-01T00:00:00Z"


def test_no_typed_word_gets_into_the_trail(api, author, make_scan):
    make_scan(seed=1)
    words = dict.fromkeys(("project", "label", "modality", "external_id", "search", "name", "Zwetschge"), "Zwetschge")
    download(api(author), "/api/v1/images/", **words)
    for path in ("history", "labels", "reviews", "models", "projects", "uploads"):
        names = ("annotator", "reviewer", "prediction", "model", "image", "file_name", "name", "finished", "project")
        api(author).get(f"/api/v1/{path}/", {"format": "csv", **dict.fromkeys(names, "Zwetschge")})
    assert taken().count() >= 5
    assert "Zwetschge" not in str(list(AuditEvent.objects.values()))


def test_every_door_of_a_file_is_on_record(api, admin, project, make_snapshot):
    snapshot = make_snapshot(4)
    scan = snapshot.members.first().image
    client = api(admin)
    doors = [
        *(f"/api/v1/{path}/" for path in ("projects", "images", "labels", "reviews", "imports", "uploads", "exports")),
        *(
            f"/api/v1/{path}/"
            for path in ("datasets", "training-runs", "models", "evaluations", "deployments", "grades")
        ),
        *(f"/api/v1/{path}/" for path in ("history", "feedback", "users", "audit", "events")),
        f"/api/v1/projects/{project.pk}/members/",
        f"/api/v1/projects/{project.pk}/label-doubts/",
        f"/api/v1/users/{admin.pk}/tokens/",
        f"/api/v1/datasets/{snapshot.code}/members/",
        f"/api/v1/datasets/{snapshot.code}/manifest/",
        f"/api/v1/images/{scan.code}/timeline/",
    ]
    unrecorded = []
    for number, door in enumerate(doors, 1):
        answer = client.get(door, {"format": "csv"})
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/csv"):
            b"".join(answer.streaming_content)
        else:
            unrecorded.append((door, answer.status_code))
        if taken().count() != number - len(unrecorded):
            unrecorded.append((door, "no event"))
    assert unrecorded == []
    client.get(f"/api/v1/datasets/{snapshot.code}/manifest/")
    last = taken().last()
    assert (last.details["file"], last.details["rows"], last.project) == (f"{snapshot.code}.json", 12, project.pk)
    assert (last.object_type, last.object_id) == ("snapshot", str(snapshot.pk))


def test_a_refused_download_is_none_and_pages_are_not_counted(api, author, admin, project, make_scan):
    make_scan(seed=1, patient="MRN 1")
    for query in ({"patient": "MRN 1"}, {"ordering": "nothing"}, {"split": "maybe"}):
        assert api(author).get("/api/v1/images/", {"format": "csv", **query}).status_code in (400, 403)
    assert api(author).get("/api/v1/images/").status_code == 200
    assert not taken().exists()
    grant(actor=admin, project=project, user=author, codename="reidentify")
    download(api(author), "/api/v1/images/", patient="MRN 1", project=project.pk)
    assert taken().get().details["filters"] == {"patient": "(not kept)", "project": str(project.pk)}
