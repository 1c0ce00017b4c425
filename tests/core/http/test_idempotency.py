"""Idempotency-Key: done once, answered twice."""

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from mediscan_site.core.http import idempotency
from mediscan_site.core.models import IdempotencyRecord
from tests.conftest import PATIENCE_S, make_user
from tests.core.http import urls

pytestmark = pytest.mark.urls("tests.core.http.urls")


@pytest.fixture(autouse=True)
def calls():
    urls.CALLS.clear()
    return urls.CALLS


def post(client, body, key="k1", **extra):
    return client.post("/api/rows/", body, format="json", HTTP_IDEMPOTENCY_KEY=key, **extra)


@pytest.mark.django_db
def test_the_same_post_is_done_once_and_answered_twice(api, calls):
    client = api(make_user("a"))
    first, second = post(client, {"x": 1, "y": 2}), post(client, {"y": 2, "x": 1})
    assert len(calls) == 1
    assert (second.status_code, second.json(), second["Location"]) == (201, first.json(), first["Location"])
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first


@pytest.mark.django_db
def test_another_body_under_the_same_key_is_409(api, calls):
    client = api(make_user("a"))
    post(client, {"x": 1})
    response = post(client, {"x": 2})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "idempotency_mismatch")
    assert len(calls) == 1


@pytest.mark.django_db
def test_keys_belong_to_one_user_and_one_route(api, calls):
    post(api(make_user("a")), {"x": 1})
    assert "Idempotency-Replayed" not in post(api(make_user("b")), {"x": 2})
    client = api(make_user("c"))
    post(client, {"x": 1})
    client.post("/api/csv-rows/", {"x": 3}, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    assert len(calls) == 4


@pytest.mark.django_db
def test_a_refused_request_leaves_the_key_free(api, calls):
    client = api(make_user("a"))
    assert post(client, {"fail": True}).status_code == 400
    assert not IdempotencyRecord.objects.exists()
    assert post(client, {"fail": False}).status_code == 201


@pytest.mark.django_db
def test_a_file_with_other_bytes_is_another_body(api, calls):
    client = api(make_user("a"))

    def send(data):
        body = {"name": "x", "file": SimpleUploadedFile("a.bin", data)}
        return client.post("/api/rows/", body, format="multipart", HTTP_IDEMPOTENCY_KEY="f")

    assert send(b"one").status_code == 201
    assert send(b"one")["Idempotency-Replayed"] == "true"
    assert send(b"two").status_code == 409


@pytest.mark.django_db
def test_after_a_day_a_key_is_free_again(api, calls):
    client = api(make_user("a"))
    post(client, {"x": 1})
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(client, {"x": 2}).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "k" * 121, "a\tb"])
def test_a_bad_key_is_400(api, key):
    assert post(api(make_user("a")), {}, key=key).status_code == 400


@pytest.mark.django_db
def test_a_request_whose_first_try_still_runs_is_409(api, monkeypatch):
    monkeypatch.setattr(idempotency, "WAIT_S", 0.1)
    client = api(make_user("a"))
    post(client, {"x": 1})
    IdempotencyRecord.objects.update(status=None)
    response = post(client, {"x": 1})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (409, "idempotency_in_progress")


@pytest.mark.django_db
def test_a_request_that_died_without_an_answer_does_not_block_its_key_for_ever(api, calls):
    client = api(make_user("a"))
    post(client, {"x": 1})
    IdempotencyRecord.objects.update(status=None, created_at=timezone.now() - timedelta(minutes=11))
    assert post(client, {"x": 1}).status_code == 201
    assert len(calls) == 2


@pytest.mark.django_db(transaction=True)
def test_six_at_once_are_done_once(api, calls, monkeypatch):
    monkeypatch.setattr(idempotency, "WAIT_S", PATIENCE_S)
    user = make_user("a")
    answers, barrier = [], threading.Barrier(6)

    def send():
        try:
            client = api(user)
            barrier.wait()
            response = post(client, {"x": 1})
            answers.append((response.status_code, response.json()))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(201, {"calls": 1})] * 6
    assert len(calls) == 1
