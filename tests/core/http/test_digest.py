"""Digests of transfers: what arrives broken is refused before anything is stored, and what is served says its own."""

import base64
import hashlib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from hypothesis import given
from hypothesis import strategies as st

from images.models import Image
from mediscan_site.core.http.digest import BadDigest, body_digests, digest_header
from mediscan_site.core.models import AuditEvent, Blob
from tests.conftest import PASSWORD, scan_bytes

pytestmark = pytest.mark.django_db


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def form(project, data, **fields):
    """The bytes of a multipart upload as they go over the wire."""
    return encode_multipart(BOUNDARY, {"project": project.pk, **fields, "file": SimpleUploadedFile("a.jpg", data)})


def post(client, body, path="/api/v1/images/", **headers):
    return client.generic("POST", path, body, content_type=MULTIPART_CONTENT, headers=headers)


def check_refused(response, code):
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["code"] == code
    assert not Image.objects.exists()
    assert not Blob.objects.exists()
    assert not AuditEvent.objects.filter(action="scan.upload").exists()
    assert not list((Path(settings.DATA_DIR) / "blobs").glob("*/*/*.part"))


@pytest.mark.parametrize("path", ["/api/v1/images/", "/api/upload"])
def test_an_upload_with_the_right_digests_is_stored(api, author, project, path):
    data = scan_bytes(1)
    body = form(project, data)
    headers = {"X-Content-SHA256": sha256(data).upper(), "Content-Digest": digest_header(sha256(body))}
    response = post(api(author), body, path, **headers)
    assert response.status_code == 201, response.content
    assert response.json()["received_sha256"] == sha256(data)


@pytest.mark.parametrize("path", ["/api/v1/images/", "/api/upload", "/api/v1/imports/"])
@pytest.mark.parametrize("signed_in_by", ["token", "session"])
def test_a_body_or_file_with_another_digest_is_refused_and_nothing_is_stored(api, author, project, path, signed_in_by):
    client = api(author)
    if signed_in_by == "session":
        client = Client()
        client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    body = form(project, scan_bytes(1))
    for headers in ({"X-Content-SHA256": "0" * 64}, {"Content-Digest": digest_header("0" * 64)}):
        check_refused(post(client, body, path, **headers), "digest_mismatch")


def test_one_flipped_bit_on_the_way_is_found_by_either_digest(api, author, project):
    data = scan_bytes(1)
    sent = form(project, data)
    arrived = bytearray(sent)
    arrived[len(sent) // 2] ^= 1
    check_refused(
        post(api(author), bytes(arrived), **{"Content-Digest": digest_header(sha256(sent))}), "digest_mismatch"
    )
    check_refused(post(api(author), bytes(arrived), **{"X-Content-SHA256": sha256(data)}), "digest_mismatch")


def test_a_large_file_that_is_sealed_on_disk_is_checked_too(api, author, project):
    body = form(project, bytes(5 * 2**20))
    check_refused(post(api(author), body, **{"X-Content-SHA256": "0" * 64}), "digest_mismatch")
    check_refused(post(api(author), body, **{"Content-Digest": digest_header("0" * 64)}), "digest_mismatch")


@pytest.mark.parametrize(
    "header",
    [
        {"X-Content-SHA256": "abc"},
        {"X-Content-SHA256": "z" * 64},
        {"Content-Digest": ""},
        {"Content-Digest": "sha-256"},
        {"Content-Digest": "sha-256=abc"},
        {"Content-Digest": "sha-256=:YWJj:"},
        {"Content-Digest": "sha-256=:****:"},
        {"Content-Digest": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"},
    ],
)
def test_a_header_that_cannot_be_checked_is_refused(api, author, project, header):
    check_refused(post(api(author), form(project, scan_bytes(1)), **header), "invalid_digest")


@pytest.mark.parametrize("header", ["sha-256=x", digest_header("0" * 64)])
def test_a_refusal_is_as_guarded_as_any_answer(api, author, project, header):
    response = post(api(author), form(project, scan_bytes(1)), **{"Content-Digest": header})
    assert response.status_code == 400
    assert {"X-Request-ID", "X-Content-Type-Options", "Content-Security-Policy"} <= set(response.headers)


def test_of_several_algorithms_each_known_one_must_fit(api, author, project):
    body = form(project, scan_bytes(1))
    sha512 = base64.b64encode(hashlib.sha512(body).digest()).decode()
    good = f"md5=:AAAA:, sha-512=:{sha512}:;note=1,{digest_header(sha256(body))}"
    bad = f"{digest_header(sha256(body))}, sha-512=:{base64.b64encode(bytes(64)).decode()}:"
    check_refused(post(api(author), body, **{"Content-Digest": bad}), "digest_mismatch")
    assert post(api(author), body, **{"Content-Digest": good}).status_code == 201


def test_json_and_empty_bodies_are_checked_as_well(api, admin):
    raw = b'{"name": "Hands", "classes": ["a", "b"]}'
    client = api(admin)
    for wanted, status in ((sha256(b"{}"), 400), (sha256(raw), 201)):
        headers = {"Content-Digest": digest_header(wanted)}
        response = client.post("/api/v1/projects/", raw, content_type="application/json", headers=headers)
        assert response.status_code == status, response.content
    response = client.post("/api/v1/projects/", headers={"Content-Digest": digest_header("0" * 64)})
    assert response.json()["errors"][0]["code"] == "digest_mismatch"


def test_a_refused_upload_may_be_sent_again_under_the_same_key(api, author, project):
    data, key = scan_bytes(1), {"Idempotency-Key": "transfer-1"}
    check_refused(post(api(author), form(project, data), **key, **{"X-Content-SHA256": "0" * 64}), "digest_mismatch")
    assert post(api(author), form(project, data), **key, **{"X-Content-SHA256": sha256(data)}).status_code == 201


def test_a_page_answers_a_broken_transfer_with_a_page(author, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/projects/{project.pk}/upload/"
    client.get(page)
    response = post(client, form(project, scan_bytes(1)), page, **{"X-Content-SHA256": "0" * 64})
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")
    assert b"Nothing was stored" in response.content


def test_who_is_not_signed_in_learns_that_first(project):
    response = post(Client(), form(project, scan_bytes(1)), **{"Content-Digest": digest_header("0" * 64)})
    assert response.status_code == 401
    assert PASSWORD not in response.content.decode()


def test_what_is_served_says_its_digest(api, author, make_scan):
    scan = make_scan()
    for name in ("file", "thumbnail", "rendition"):
        response = api(author).get(f"/api/v1/images/{scan.pk}/{name}/")
        wanted = digest_header(sha256(b"".join(response)))
        assert (response["Content-Digest"], response["Repr-Digest"]) == (wanted, wanted)
        again = api(author).get(f"/api/v1/images/{scan.pk}/{name}/", headers={"If-None-Match": response["ETag"]})
        assert (again.status_code, again["Repr-Digest"], again.has_header("Content-Digest")) == (304, wanted, False)


@given(st.text(max_size=80))
def test_no_header_makes_the_parser_stumble(text):
    try:
        found = body_digests(text)
    except BadDigest as error:
        assert error.code == "invalid_digest"
    else:
        assert set(found) <= {"sha-256", "sha-512"}
