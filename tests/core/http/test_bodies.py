"""Hostile bodies and odd requests: a clear 4xx in the one error shape, never a 500."""

import json

import pytest
from django.test import Client

from tests.conftest import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.http.urls")]


@pytest.fixture
def client(api):
    made = api(make_user("reader"))
    made.raise_request_exception = False
    return made


def check_error(response, status, code=None):
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"type", "errors"}
    assert body["type"] in {"client_error", "validation_error", "server_error"}
    for error in body["errors"]:
        assert set(error) == {"code", "detail", "attr"}
        assert error["detail"]
    if code:
        assert body["errors"][0]["code"] == code


def send(client, raw, **extra):
    return client.post("/api/rows/", raw, content_type="application/json", **extra)


def test_a_body_of_three_megabytes_is_413(client):
    check_error(send(client, json.dumps({"x": "a" * 3_000_000})), 413, "too_large")


def test_a_form_field_of_three_megabytes_is_413(client):
    check_error(client.post("/api/rows/", {"x": "a" * 3_000_000}, format="multipart"), 413)


@pytest.mark.parametrize("depth", [65, 1_000, 200_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_json_nested_too_deep_is_400(client, depth, start, end):
    raw = '{"x":' + start * depth + "1" + end * depth + "}"
    check_error(send(client, raw), 400, "parse_error")


def test_json_of_sixty_levels_is_taken(client):
    assert send(client, '{"x":' + "[" * 60 + "]" * 60 + "}").status_code == 201


@pytest.mark.parametrize(
    "raw",
    [
        '{"x": NaN}',
        '{"x": Infinity}',
        '{"x": -Infinity}',
        '{"x": 1e999}',
        '{"x": ' + "9" * 5000 + "}",
        '{"x": "a\\u0000b"}',
        '{"a\\u0000b": 1}',
        '{"x": "\\ud800"}',
        "[1, 2]",
        '"text"',
        "null",
        "{",
        b"\xff\xfe{}",
    ],
)
def test_json_that_cannot_be_stored_is_400(client, raw):
    check_error(send(client, raw), 400)


def test_a_packed_body_is_415_in_json_and_in_forms(client):
    check_error(send(client, "{}", HTTP_CONTENT_ENCODING="gzip"), 415, "unsupported_encoding")
    form = client.post("/api/rows/", {"x": 1}, format="multipart", HTTP_CONTENT_ENCODING="gzip")
    check_error(form, 415, "unsupported_encoding")


def test_an_unknown_content_type_is_415(client):
    check_error(client.post("/api/rows/", "<x/>", content_type="application/xml"), 415)


def test_an_unrouted_path_is_a_json_404_for_everyone(client):
    for caller in (client, Client()):
        check_error(caller.get("/api/nothing/here/"), 404, "not_found")
        check_error(caller.post("/api/"), 404, "not_found")


def test_a_forgotten_last_slash_keeps_method_and_body(client):
    response = client.post("/api/rows?a=1", {"x": 1}, format="json")
    assert (response.status_code, response["Location"]) == (308, "/api/rows/?a=1")


def test_a_wrong_method_is_a_json_405(client):
    check_error(client.delete("/api/rows/"), 405, "method_not_allowed")


def test_a_fault_of_ours_is_a_json_500_without_its_reason(client):
    response = client.get("/api/broken/")
    check_error(response, 500)
    assert "IdempotencyRecord" not in response.content.decode()


def test_no_token_is_401_and_names_the_scheme():
    response = Client().get("/api/rows/")
    check_error(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ("hidden", 400, "does_not_exist"),
        (999_999_999, 400, "does_not_exist"),
        ("usr", 400, "does_not_exist"),
        (10**30, 400, "does_not_exist"),
        (True, 400, "incorrect_type"),
        ([1], 400, "incorrect_type"),
        ({}, 400, "incorrect_type"),
        (None, 400, "null"),
    ],
)
def test_a_reference_to_what_is_not_visible_does_not_exist(client, value, status, code):
    if value == "hidden":
        value = make_user("hidden").pk
    response = client.post("/api/reference/", {"user": value}, format="json")
    check_error(response, status, code)
    assert response.json()["errors"][0]["attr"] == "user"


@pytest.mark.parametrize(("header", "version"), [('"3"', 3), ("3", 3), ('W/"12"', 12), ("*", None)])
def test_if_match_names_a_version(client, header, version):
    user = make_user("seen")
    body = {"user": f"usr{user.pk:06d}"}
    response = client.post("/api/reference/", body, format="json", HTTP_IF_MATCH=header)
    assert response.json() == {"user": "seen", "version": version}


@pytest.mark.parametrize("header", ['"x"', "'3'", '"3", "4"', '"-1"', '"' + "9" * 40 + '"'])
def test_a_malformed_if_match_is_400(client, header):
    user = make_user("seen")
    response = client.post("/api/reference/", {"user": user.pk}, format="json", HTTP_IF_MATCH=header)
    check_error(response, 400, "invalid_precondition")
