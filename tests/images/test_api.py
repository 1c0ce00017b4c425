"""Projects, members and scans over HTTP."""

import hashlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images.models import Image, Project
from images.services import add_member, create_project, grant
from mediscan_site.core.models import AuditEvent, Blob
from tests.conftest import make_user, scan_bytes

pytestmark = pytest.mark.django_db

PROJECT_NAMES = (
    "id name classes class_rows modality four_eyes laterality_matters frames_seen orientation_matters picture_shape "
    "reads_wanted read_blind reveal_after_read repeats_share intended_use "
    "intended_body_part intended_view intended_laterality intended_age_min intended_age_max limitations coverage_target "
    "conformal_target expected_prevalence "
    "grade_on_arrival unaccepted_site on_alarm blind_read_share "
    "keep_patient_characteristics keep_institution shift_dates version created_at"
)
SCAN_NAMES = (
    "id image_id file_name file_url upload_date image_format resolution size modality label_status approval_status "
    "annotator project label split patient external_id use_for_training sha256 received_sha256 version metadata "
    "uploaded_by hold released_by released_at"
)


def error(response) -> tuple[int, str, str | None]:
    first = response.json()["errors"][0]
    return response.status_code, first["code"], first["attr"]


def test_a_project_is_made_shown_listed_and_changed(api, admin):
    client = api(admin)
    made = client.post("/api/v1/projects/", {"name": "P", "classes": ["A", "B"]}, format="json")
    assert made.status_code == 201
    body = made.json()
    assert set(body) == set(PROJECT_NAMES.split())
    assert body["classes"] == ["A", "B"]
    assert body["class_rows"][1] | {"id": 0} == {"id": 0, "name": "B", "position": 1, "retired": False}
    url = f"/api/v1/projects/{body['id']}/"
    assert client.get(url).json() == body
    assert client.get("/api/v1/projects/").json()["results"] == [body]
    changed = client.patch(url, {"classes": ["B", "C"]}, format="json", HTTP_IF_MATCH='"1"')
    assert (changed.status_code, changed.json()["classes"], changed["ETag"]) == (200, ["B", "C"], '"2"')
    stale = client.patch(url, {"modality": "CT"}, format="json", HTTP_IF_MATCH='"1"')
    assert error(stale) == (412, "stale_version", None)


def test_a_wrong_project_names_the_field(api, admin, project):
    client = api(admin)
    for body, expected in (
        ({"name": "Q", "classes": ["A"]}, (400, "invalid", "classes")),
        ({"name": "Q", "classes": ["A", "a"]}, (400, "unique", "classes")),
        ({"name": "Q"}, (400, "required", "classes")),
        ({"name": "", "classes": ["A", "B"]}, (400, "blank", "name")),
        ({"name": project.name, "classes": ["A", "B"]}, (409, "unique", "name")),
        ({"name": "Q", "classes": ["A", "B"], "coverage_target": 7}, (400, "invalid", "coverage_target")),
    ):
        assert error(client.post("/api/v1/projects/", body, format="json")) == expected
    assert Project.objects.count() == 1


def test_who_may_do_what_with_a_project(api, project, admin, author, outsider, inactive):
    url, body = f"/api/v1/projects/{project.pk}/", {"modality": "CT"}
    expected = {admin: (200, 200), author: (200, 403), outsider: (404, 404), inactive: (401, 401), None: (401, 401)}
    for user, (seen, changed) in expected.items():
        assert api(user).get(url).status_code == seen
        assert api(user).patch(url, body, format="json").status_code == changed
    assert api(author).post("/api/v1/projects/", {"name": "x", "classes": ["a", "b"]}, format="json").status_code == 403
    assert api(outsider).get("/api/v1/projects/").json()["results"] == []


def test_members_and_rights_are_managed(api, project, admin, author):
    client, newcomer = api(admin), make_user("newcomer")
    url = f"/api/v1/projects/{project.pk}/members/"
    added = client.post(url, {"user": "newcomer"}, format="json")
    assert added.status_code == 201
    assert (added.json()["user"], len(added.json()["permissions"])) == (newcomer.pk, 5)
    assert error(client.post(url, {"user": newcomer.pk}, format="json")) == (409, "unique", "user")
    assert error(client.post(url, {"user": 10**9}, format="json")) == (400, "does_not_exist", "user")
    granted = client.post(f"{url}{newcomer.pk}/permissions/", {"permission": "train_model"}, format="json")
    assert (granted.status_code, granted.json()["permissions"][-1]) == (200, "train_model")
    listed = api(author).get(url).json()["results"]
    assert [row["username"] for row in listed] == ["author", "newcomer"]
    assert "train_model" in listed[1]["permissions"]
    assert client.delete(f"{url}{newcomer.pk}/permissions/train_model/").status_code == 204
    assert client.delete(f"{url}{newcomer.pk}/").status_code == 204
    assert client.delete(f"{url}{newcomer.pk}/").status_code == 404
    assert api(newcomer).get(f"/api/v1/projects/{project.pk}/").status_code == 404


def test_a_doctor_changes_no_members(api, project, author, outsider):
    url = f"/api/v1/projects/{project.pk}/members/"
    for user, status in ((author, 403), (outsider, 404), (None, 401)):
        assert api(user).post(url, {"user": "outsider"}, format="json").status_code == status
        assert api(user).delete(f"{url}{author.pk}/").status_code == status
        rights = {"permission": "train_model"}
        assert api(user).post(f"{url}{author.pk}/permissions/", rights, format="json").status_code == status
        assert api(user).delete(f"{url}{author.pk}/permissions/label_image/").status_code == status


def test_the_numbers_of_a_project_add_up(api, project, author, store):
    store(1, split="train")
    store(2)
    body = api(author).get(f"/api/v1/projects/{project.pk}/stats/").json()
    assert body == {
        "total": 2,
        "label_status": {"unlabeled": 2, "labeled": 0},
        "approval_status": {"pending": 2, "approved": 0, "rejected": 0, "modified": 0},
        "classes": {"NORMAL": 0, "OPACITY": 0},
        "ungradable": 0,
        "held": 0,
        "splits": {"train": 1, "val": 0, "test": 0, "none": 1},
    }


def test_a_scan_has_the_names_of_the_contract(api, author, store):
    image = store(1, patient="p1", pixel_spacing=0.2)
    answer = api(author).get(f"/api/v1/images/{image.code}/")
    body = answer.json()
    assert set(SCAN_NAMES.split()) <= set(body)
    assert (body["image_id"], body["resolution"]) == (image.code, {"width": 160, "height": 150})
    assert (body["label"], body["annotator"], body["uploaded_by"]) == (None, None, "author")
    assert body["file_url"].endswith(f"/api/v1/images/{image.pk}/file/")
    assert body["metadata"]["image"] == image.code and body["metadata"]["pixel_spacing"] == 0.2
    assert body["patient"] != "p1"
    assert answer["ETag"] == '"1"'
    assert api(author).get(f"/api/v1/images/{image.pk}/").json() == body


def test_what_is_kept_of_dicom_files_is_an_option_of_the_project(api, admin, author):
    body = {"name": "Kept", "classes": ["A", "B"], "keep_institution": True}
    made = api(admin).post("/api/v1/projects/", body, format="json").json()
    options = {name: made[name] for name in ("keep_patient_characteristics", "keep_institution", "shift_dates")}
    assert options == {"keep_patient_characteristics": True, "keep_institution": True, "shift_dates": True}
    url = f"/api/v1/projects/{made['id']}/"
    assert api(admin).patch(url, {"shift_dates": False}, format="json").json()["shift_dates"] is False
    assert error(api(admin).patch(url, {"shift_dates": "maybe"}, format="json")) == (400, "invalid", "shift_dates")
    assert api(author).patch(url, {"shift_dates": True}, format="json").status_code == 404


def test_bytes_are_served_with_their_digest_and_locked_down(api, author, store):
    image, client = store(1), api(author)
    for part, kind in (("file", "image/jpeg"), ("thumbnail", "image/jpeg"), ("rendition", "image/png")):
        url = f"/api/v1/images/{image.pk}/{part}/"
        answer = client.get(url, HTTP_ACCEPT="image/png")
        data = b"".join(answer.streaming_content)
        assert answer.status_code == 200
        assert answer["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert (answer["Content-Type"], answer["Content-Length"]) == (kind, str(len(data)))
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "private, no-store"
        assert "sandbox" in answer["Content-Security-Policy"]
        for known in (answer["ETag"], f'"x", W/{answer["ETag"]}', "*"):
            again = client.get(url, HTTP_IF_NONE_MATCH=known)
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
            assert not again.has_header("Content-Type")
        assert client.get(url, HTTP_IF_NONE_MATCH='"x"').status_code == 200
    assert b"".join(client.get(f"/api/v1/images/{image.pk}/file/").streaming_content) == scan_bytes(1)
    assert AuditEvent.objects.filter(action="scan.download", actor=author).exists()


def test_a_file_name_cannot_break_out_of_its_header(api, author, store):
    image = store(1, file_name='a"; filename=evil.html\r\nX-Evil: 1 ü.jpg')
    answer = api(author).get(f"/api/v1/images/{image.pk}/file/")
    assert answer["Content-Disposition"].startswith("attachment;")
    assert "X-Evil" not in answer
    assert "\r" not in answer["Content-Disposition"]


def test_a_damaged_object_is_an_error_and_never_other_pixels(api, author, store, blob_files):
    image = store(1)
    path = next(path for path in blob_files() if path.name == str(image.blob_id))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    answer = api(author).get(f"/api/v1/images/{image.pk}/file/")
    assert error(answer) == (409, "integrity_error", None)


def test_outsiders_cannot_tell_a_scan_from_none(api, store, outsider):
    image = store(1)
    for part in ("", "file/", "thumbnail/", "rendition/"):
        hidden = api(outsider).get(f"/api/v1/images/{image.pk}/{part}")
        missing = api(outsider).get(f"/api/v1/images/{image.pk + 999}/{part}")
        assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())
        assert hidden.status_code == 404
        assert api().get(f"/api/v1/images/{image.pk}/{part}").status_code == 401


def test_a_patch_takes_flat_and_nested_facts_and_guards_the_version(api, author, store):
    image, client = store(1), api(author)
    url = f"/api/v1/images/{image.code}/"
    body = {"split": "test", "metadata": {"age": 50, "sex": "F"}, "sex": "M", "label_status": "labeled", "sha256": "0"}
    changed = client.patch(url, body, format="json", HTTP_IF_MATCH='"1"')
    assert changed.status_code == 200
    shown = changed.json()
    assert (shown["split"], shown["metadata"]["age"], shown["metadata"]["sex"]) == ("test", 50.0, "M")
    assert (shown["label_status"], shown["sha256"], shown["version"]) == ("unlabeled", image.sha256, 2)
    assert error(client.patch(url, {"age": 1}, format="json", HTTP_IF_MATCH='"1"'))[:2] == (412, "stale_version")
    assert error(client.patch(url, {"age": 200}, format="json")) == (400, "invalid", "age")
    assert error(client.patch(url, {"split": "exam"}, format="json")) == (400, "invalid_choice", "split")


def test_only_an_administrator_erases_a_scan(api, admin, author, store):
    image = store(1)
    url = f"/api/v1/images/{image.pk}/"
    assert api(author).delete(url).status_code == 403
    assert api(admin).delete(url).status_code == 204
    assert api(admin).get(url).status_code == 404
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()


def found(client, query: str) -> list[int]:
    answer = client.get(f"/api/v1/images/?{query}")
    assert answer.status_code == 200, answer.content
    return sorted(row["id"] for row in answer.json()["results"])


def test_filters_narrow_the_list(api, project, admin, author, store, outsider):
    one = store(1, split="train", patient="Smith", external_id="e1", modality="CT", file_name="chest_left.jpg")
    two = store(2)
    client = api(author)
    assert found(client, f"project={project.pk}") == [one.pk, two.pk]
    hidden = create_project(actor=admin, name="Hidden", classes=["A", "B"])
    for query in (f"project={hidden.pk}", "project=999999", "project=x", "label=NOPE", "label=999999"):
        assert found(client, query) == []
    for query in (
        "split=train",
        f"patient={one.patient}",
        "external_id=e1",
        "modality=ct",
        "search=LEFT",
        f"search={one.code}",
    ):
        assert found(client, query) == [one.pk], query
    for query in ("split=none", "search=scan2"):
        assert found(client, query) == [two.pk], query
    assert found(client, "label_status=unlabeled&approval_status=pending") == [one.pk, two.pk]
    assert found(client, "uploaded_after=2001-01-01T00:00:00Z&uploaded_before=2999-01-01") == [one.pk, two.pk]
    assert found(client, "updated_after=2999-01-01T00:00:00Z") == []
    assert found(api(outsider), "") == []


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("label_status=maybe", "label_status"),
        ("split=exam", "split"),
        ("uploaded_after=yesterday", "uploaded_after"),
        ("ordering=sha256", "ordering"),
        ("ordering=project__name", "ordering"),
        ("search=%00", "search"),
    ],
)
def test_a_wrong_filter_is_named(api, author, query, attr):
    status, _, named = error(api(author).get(f"/api/v1/images/?{query}"))
    assert (status, named) == (400, attr)


def test_a_class_filter_takes_name_or_id_and_a_name_that_looks_like_an_id_wins(api, admin, store):
    second = create_project(actor=admin, name="Digits", classes=["0", "1"])
    rows = {row.name: row for row in second.class_rows.all()}
    zero, one = store(1, actor=admin, into=second), store(2, actor=admin, into=second)
    for image, name in ((zero, "0"), (one, "1")):
        Image.objects.filter(pk=image.pk).update(label_status="labeled", label_class=rows[name])
    client = api(admin)
    assert found(client, "label=1") == [one.pk]
    assert rows["0"].pk not in (0, 1)
    assert found(client, f"label={rows['0'].pk}") == [zero.pk]
    Image.objects.filter(pk=one.pk).update(label_class=None)
    assert found(client, "label=ungradable") == [one.pk]


def count_queries(client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_lists_ask_the_database_the_same_number_of_times_however_long_they_are(api, admin, author, project, store):
    client = api(author)
    store(1, patient="a")
    urls = ["/api/v1/images/", f"/api/v1/images/?project={project.pk}", "/api/v1/projects/"]
    urls.append(f"/api/v1/projects/{project.pk}/members/")
    client.get(urls[0])
    before = [count_queries(client, url) for url in urls]
    for seed in range(2, 8):
        store(seed, patient=f"p{seed}")
    for number in range(4):
        other = create_project(actor=admin, name=f"P{number}", classes=["A", "B", "C"])
        grant_member(admin, other, author)
        grant_member(admin, project, make_user(f"member{number}"))
    assert [count_queries(client, url) for url in urls] == before
    assert max(before) <= 6


def grant_member(admin, project, user) -> None:
    add_member(actor=admin, project=project, user=user)
    grant(actor=admin, project=project, user=user, codename="view_audit")


def test_a_list_comes_as_csv_too(api, author, store):
    store(1, file_name="=cmd.jpg")
    lines = b"".join(api(author).get("/api/v1/images/?format=csv").streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert "image_id" in lines[0] and "'=cmd.jpg" in lines[1]
