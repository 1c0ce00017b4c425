"""The protocol's own names, on the same views, written as the protocol writes them."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mediscan_site.core.models import AuditEvent
from tests.conftest import PASSWORD, make_user, scan_bytes

pytestmark = pytest.mark.django_db


def upload(client, project, data, **more):
    file = SimpleUploadedFile("scan.dat", data)
    return client.post("/api/upload", {"project": project.pk, "file": file, **more}, format="multipart")


def test_upload_takes_a_scan_with_and_without_a_label_and_knows_a_zip_by_its_bytes(api, project, author):
    client = api(author)
    bare, labelled = upload(client, project, scan_bytes(1)), upload(client, project, scan_bytes(2), label="NORMAL")
    assert [r.status_code for r in (bare, labelled)] == [201, 201]
    assert [r.json()["label_status"] for r in (bare, labelled)] == ["unlabeled", "labeled"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("NORMAL/a.jpg", scan_bytes(3))
    batch = upload(client, project, out.getvalue())
    assert batch.status_code == 202
    assert batch["Location"].startswith("http://testserver/api/v1/imports/")


def test_a_file_and_its_description_share_one_address(api, make_scan, author):
    scan, client = make_scan(seed=4), api(author)
    file = client.get(f"/api/getImage/{scan.code}", HTTP_ACCEPT="image/*")
    assert b"".join(file.streaming_content if file.streaming else [file.content]) == scan_bytes(4)
    described = client.get(f"/api/getImage/{scan.pk}/", HTTP_ACCEPT="application/json")
    assert described.json()["image_id"] == scan.code
    assert "Accept" in file["Vary"] and "Accept" in described["Vary"]


def test_set_image_withdraws_a_label_and_asks_for_one(api, make_scan, author):
    scan, client = make_scan(seed=5, label="NORMAL"), api(author)
    url = f"/api/set_image/{scan.code}"
    done = client.post(url, {"label_status": "unlabeled", "use_for_training": False}, format="json").json()
    assert (done["label_status"], done["label"], done["use_for_training"]) == ("unlabeled", None, False)
    missing = client.post(url, {"label_status": "labeled", "split": "val"}, format="json")
    assert (missing.status_code, missing.json()["errors"][0]["attr"]) == (400, "label")
    scan.refresh_from_db()
    assert scan.split is None


def test_modify_image_changes_label_and_metadata_together_or_not_at_all(api, make_scan, author):
    scan, client = make_scan(seed=6), api(author)
    url = f"/api/modify_image/{scan.pk}"
    refused = client.post(url, {"label": "NO SUCH CLASS", "modality": "CT"}, format="json")
    scan.refresh_from_db()
    assert (refused.status_code, scan.modality) == (400, "X-ray")
    body = {"label": "OPACITY", "modality": "CT", "metadata": {"pixel_spacing": 0.5}}
    done = client.post(url, body, format="json").json()
    assert (done["label"], done["modality"], done["metadata"]["pixel_spacing"]) == ("OPACITY", "CT", 0.5)
    stale = client.post(url, {"label": "NORMAL"}, format="json", HTTP_IF_MATCH='"1"')
    assert stale.status_code == 412


def test_approve_is_a_review_and_keeps_four_eyes(api, make_scan, author, colleague):
    scan = make_scan(seed=7, label="NORMAL")
    own = api(author).post(f"/api/approve/{scan.code}", {"status": "approved"}, format="json")
    assert (own.status_code, own.json()["errors"][0]["code"]) == (403, "four_eyes")
    assert api(colleague).post(f"/api/approve/{scan.code}", {"status": "approved"}, format="json").status_code == 201
    scan.refresh_from_db()
    assert scan.approval_status == "approved"


def test_evaluate_without_a_deployed_model_says_so(api, project, admin):
    response = api(admin).post("/api/evaluate", {"project": project.pk}, format="json")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "no_deployed_model")
    assert api(admin).post("/api/evaluate", {}, format="json").status_code == 400


def test_the_schema_shows_the_protocol_under_its_tag_and_each_name_once(api, admin):
    schema = api(admin).get("/api/schema/", HTTP_ACCEPT="application/json").json()
    listed = {p for p, ops in schema["paths"].items() for op in ops.values() if "protocol" in op["tags"]}
    names = "upload get_image_list getImage/{id} set_image/{id} modify_image/{id} createProject train evaluate"
    names += " deploy/{id} grade approve/{id} feedback history"
    assert listed == {f"/api/{name}" for name in names.split()}
    ids = [op["operationId"] for ops in schema["paths"].values() for op in ops.values()]
    assert len(ids) == len(set(ids))


def test_the_docs_need_no_inline_script_and_no_foreign_host(admin, client):
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/api/docs/").content.decode()
    assert "<style" not in page and "://" not in page
    assert client.get("/api/docs/?script=")["Content-Type"].startswith("application/javascript")


def test_the_change_feed_goes_on_from_the_last_seq(api, project, author, outsider, make_scan):
    from mediscan_site.core import audit

    make_scan(seed=8)
    audit.seal_pending()
    first = api(author).get("/api/v1/events/?page_size=2").json()["results"]
    rest = api(author).get(f"/api/v1/events/?after={first[-1]['seq']}").json()["results"]
    assert [e["seq"] for e in first + rest] == sorted({e["seq"] for e in first + rest})
    assert "scan.upload" in {e["action"] for e in first + rest}
    assert api(outsider).get("/api/v1/events/").json()["results"] == []
    assert api(author).get("/api/v1/events/?after=x").status_code == 400


def test_an_admin_reads_the_audit_log_and_filters_it(api, admin, make_scan):
    scan = make_scan(seed=9)
    found = api(admin).get(f"/api/v1/audit/?action=scan.upload&object_id={scan.pk}").json()["results"]
    assert [(e["actor"], e["object_type"]) for e in found] == [("author", "image")]


def test_metrics_are_for_admins_and_the_scraper(api, admin, outsider, settings, client):
    settings.SCRAPE_TOKEN = "scrape-me"
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer scrape-me").status_code == 200
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer other").status_code == 401
    assert api(outsider).get("/metrics").status_code == 403


def test_the_scraper_comes_past_the_proxy_that_speaks_tls(settings):
    settings.SCRAPE_TOKEN, settings.SECURE_SSL_REDIRECT = "scrape-me", True
    beside = Client(headers={"Authorization": "Bearer scrape-me"})
    assert [beside.get(path).status_code for path in ("/metrics", "/login/")] == [200, 301]


def test_a_log_in_on_the_page_and_on_the_admin_site_is_audited(client, settings):
    boss = make_user("boss", role="admin")
    client.post("/admin/login/", {"username": "boss", "password": PASSWORD})
    assert AuditEvent.objects.filter(action="login", actor=boss).exists()


def test_the_admin_site_shows_its_tables_and_changes_accounts_through_the_service(client, admin):
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    for table in ("user", "servicetoken", "auditevent", "auditseal", "blob", "idempotencyrecord"):
        assert client.get(f"/admin/core/{table}/").status_code == 200
    assert client.post("/admin/core/user/add/", {"username": "dr7", "role": "doctor"}).status_code == 302
    assert AuditEvent.objects.filter(action="user.create").exists()
    last = {"username": "admin", "role": "doctor", "is_active": "on", "email": admin.email}
    assert client.post(f"/admin/core/user/{admin.pk}/change/", last).status_code == 409
    assert client.get("/admin/core/auditevent/add/").status_code == 403
