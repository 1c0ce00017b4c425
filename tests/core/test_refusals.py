"""What was tried and refused is in the trail, once a minute at most, and without what was typed."""

import json
import re

import pytest
from django.db import DatabaseError
from django.test import Client
from rest_framework.test import APIClient

from labeling.reading.reviews import review_many
from mediscan_site.core import audit, refusals
from mediscan_site.core.models import AuditEvent
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
USERS = "/api/v1/users/"


def refused():
    return AuditEvent.objects.filter(action=refusals.ACTION)


def test_a_403_of_the_api_is_an_event(api, author, make_scan):
    scan = make_scan()
    assert api(author).delete(f"/api/v1/images/{scan.code}/").status_code == 403
    event = refused().get()
    assert event.actor == author
    assert event.details == {
        "code": "permission_denied",
        "route": "image-detail",
        "method": "DELETE",
        "object": scan.code,
    }


def test_a_403_of_a_page_is_an_event(author):
    browser = Client()
    browser.force_login(author)
    assert browser.get("/projects/new/").status_code == 403
    assert refused().get().details == {"code": "permission_denied", "route": "project_create", "method": "GET"}


def test_an_own_label_approved_by_api_page_or_in_bulk_is_an_event(api, author, make_scan):
    scan = make_scan(label="NORMAL")
    body = {"image": scan.code, "status": "approved"}
    api(author).post("/api/v1/reviews/", body, format="json")
    browser = Client()
    browser.force_login(author)
    browser.post(f"/scans/{scan.pk}/review/", {"status": "approved", "version": scan.version})
    review_many(actor=author, images=[scan], batch=None, status="approved")
    events = refused().order_by("id")
    assert [event.details["code"] for event in events] == ["four_eyes"] * 3
    assert events[2].details["objects"] == [scan.code]


@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "groups", "password"])
def test_a_field_that_nobody_sets_is_refused_and_an_event(api, admin, outsider, field):
    answer = api(admin).patch(f"{USERS}{outsider.pk}/", {field: "secret words"}, format="json")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"], error["attr"]) == (400, "read_only_field", field)
    assert refused().get().details["fields"] == [field]
    assert "secret words" not in json.dumps(list(refused().values()), default=str)


def test_a_label_in_somebody_elses_name_is_refused(api, author, colleague, make_scan):
    body = {"image": make_scan().code, "label": "NORMAL", "reader": colleague.pk}
    answer = api(author).post("/api/v1/labels/", body, format="json")
    assert answer.json()["errors"][0]["code"] == "read_only_field"


def test_a_form_without_its_csrf_token_is_still_403(author):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(author)
    assert browser.post("/api/v1/labels/", {"image": 1}, "application/json").status_code == 403


def test_what_was_refused_is_no_change_of_the_feed(api, author, admin):
    api(author).get(USERS)
    audit.seal_pending()
    feed = api(admin).get("/api/v1/events/?page_size=200").json()["results"]
    assert refusals.ACTION not in {event["action"] for event in feed}


def test_trying_again_and_again_is_one_event_a_minute_with_the_count(api, outsider, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now[0])
    client = api(outsider)
    for _ in range(25):
        assert client.get(USERS).status_code == 403
    assert refused().count() == 1
    now[0] += 61
    client.get(USERS)
    assert refused().latest("id").details["count"] == 25


def test_memory_of_refusals_is_bounded(author):
    for number in range(refusals.KEYS + 50):
        refusals._due((number,))
    assert len(refusals._seen) == refusals.KEYS


def test_a_refusal_is_answered_also_where_it_cannot_be_written(api, outsider, monkeypatch):
    def away(*arguments, **options):
        raise DatabaseError("away")

    monkeypatch.setattr(audit, "record", away)
    assert api(outsider).get(USERS).status_code == 403


def test_what_was_typed_into_an_address_is_not_kept(author):
    browser = Client()
    browser.force_login(author)

    class Match:
        url_name = "image-detail"
        kwargs = {"pk": "MUSTERMANN"}

    class Request:
        user, method, resolver_match = author, "GET", Match

    refusals.note_request(Request, "permission_denied")
    assert "MUSTERMANN" not in str(refused().get().details)


def test_a_refresh_token_used_twice_is_an_event(author, client):
    pair = APIClient().post("/api/v1/auth/token/", {"username": "author", "password": PASSWORD}, format="json").json()
    for _ in range(3):
        client.post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}, "application/json")
    event = AuditEvent.objects.get(action="token.reuse")
    assert (event.object_id, event.details) == (str(author.pk), {"log_in_ended": False})
    assert not re.search("ey[A-Za-z0-9]", str(event.details))


def test_a_locked_log_in_is_an_event_and_names_an_account_only(author, settings):
    for name in ("author", "my secret password"):
        for _ in range(settings.AXES_FAILURE_LIMIT + 3):
            APIClient().post("/api/v1/auth/token/", {"username": name, "password": "wrong"}, format="json")
    events = AuditEvent.objects.filter(action="login.locked").order_by("id")
    assert [event.actor_name for event in events] == ["author", ""]
