"""Sessions end, and leave nothing in the browser."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from mediscan_site.core.http.sessions import ended
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def clock():
    with time_machine.travel(timezone.now(), tick=False) as travelled:
        yield travelled


@pytest.fixture
def signed_in(client, author, clock):
    answer = client.post("/login/", {"username": "author", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_in(client) -> bool:
    return client.get("/projects/").status_code == 200


def test_the_cookie_goes_with_the_browser(signed_in):
    cookie = signed_in.cookies["sessionid"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


def test_whoever_does_nothing_for_eight_hours_is_signed_out_and_told(signed_in, clock):
    clock.shift(8 * HOUR - timedelta(minutes=1))
    assert is_in(signed_in)
    clock.shift(8 * HOUR + timedelta(minutes=1))
    page = signed_in.get("/projects/", follow=True)
    assert page.redirect_chain[0][0] == "/login/?next=/projects/"
    assert "signed out because nothing was done for 8 hours" in page.content.decode()
    assert not is_in(signed_in)


def test_whoever_goes_on_stays_in_but_not_beyond_a_week(signed_in, clock):
    for _ in range(6 * 4):
        clock.shift(6 * HOUR)
        assert is_in(signed_in)
    for _ in range(5):
        clock.shift(6 * HOUR)
        signed_in.get("/projects/")
    assert not is_in(signed_in)


def test_pages_that_update_themselves_keep_nobody_in(signed_in, clock):
    for _ in range(9):
        clock.shift(HOUR)
        signed_in.get("/jobs/", headers={"HX-Request": "true"})
    assert not is_in(signed_in)


def test_a_fragment_sent_by_a_person_counts(signed_in, project, clock):
    for _ in range(9):
        clock.shift(HOUR)
        signed_in.post(f"/projects/{project.pk}/label/next/", headers={"HX-Request": "true"})
    assert is_in(signed_in)


def test_the_setting_is_obeyed(signed_in, clock, settings):
    settings.SESSION_IDLE_S = 900
    clock.shift(timedelta(minutes=16))
    assert not is_in(signed_in)
    assert "15 minutes" in ended()
    settings.SESSION_IDLE_S = 5400
    assert "1 hour 30 minutes" in ended()


def test_what_was_being_sent_is_not_done_and_shown_to_be_copied(signed_in, make_scan, clock):
    scan = make_scan(seed=1)
    clock.shift(9 * HOUR)
    body = {
        "version": scan.version,
        "modality": "CT",
        "device": "<b>typed</b> for long",
        "old_password": "secret words",
    }
    answer = signed_in.post(f"/scans/{scan.pk}/edit/", body)
    text = answer.content.decode()
    assert answer.status_code == 401
    assert "not saved" in text and "&lt;b&gt;typed&lt;/b&gt; for long" in text and "secret words" not in text
    scan.refresh_from_db()
    assert scan.modality != "CT"
    assert not is_in(signed_in)


def test_the_api_says_401_and_tokens_are_not_touched(signed_in, api, author, clock):
    clock.shift(9 * HOUR)
    assert signed_in.get("/api/v1/images/").status_code == 401
    fresh = api(author)
    assert fresh.get("/api/v1/images/").status_code == 200
    assert "sessionid" not in fresh.cookies


def test_a_session_of_an_older_version_begins_now(client, author, clock):
    client.force_login(author)
    session = client.session
    for name in ("began", "seen"):
        session.pop(name, None)
    session.save()
    assert is_in(client)
    clock.shift(9 * HOUR)
    assert not is_in(client)


def test_nothing_but_static_files_is_kept_by_a_browser(client, api, author, make_scan, project):
    scan = make_scan(seed=1, label="NORMAL")
    client.force_login(author)
    pages = ["/", "/projects/", f"/projects/{project.pk}/scans/", f"/scans/{scan.pk}/", "/history/", "/nowhere/"]
    pages += [reverse("scan_edit", args=[scan.pk]), "/login/", "/password-reset/", "/audit/"]
    answers = [client.get(page) for page in pages]
    paths = [
        "",
        "?format=csv",
        f"{scan.pk}/",
        f"{scan.pk}/file/",
        f"{scan.pk}/thumbnail/",
        f"{scan.pk}/rendition/",
        "0/",
    ]
    answers += [api(author).get(f"/api/v1/images/{path}") for path in paths]
    answers += [api(author).get("/api/v1/projects/"), api().get("/api/v1/projects/"), client.post("/logout/")]
    held = answers[len(pages) + 4]["ETag"]
    answers += [api(author).get(f"/api/v1/images/{scan.pk}/thumbnail/", headers={"If-None-Match": held})]
    assert {answer["Cache-Control"] for answer in answers} == {"private, no-store"}
    assert answers[-1].status_code == 304
    style = client.get("/static/css/base.css")
    assert (style.status_code, "no-store" in style.headers.get("Cache-Control", "")) == (200, False)


def test_a_page_is_shown_while_nothing_can_be_written(signed_in, clock, monkeypatch):
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import OperationalError

    def full(*arguments, **options):
        raise OperationalError("database or disk is full")

    clock.shift(HOUR)
    monkeypatch.setattr(SessionStore, "save", full)
    assert is_in(signed_in)


def test_whether_the_site_lives_asks_no_database_for_the_session(signed_in, clock, django_assert_num_queries):
    clock.shift(HOUR)
    with django_assert_num_queries(0):
        assert signed_in.get("/healthz").status_code == 200


def test_the_session_is_written_once_a_minute_at_most(signed_in, clock):
    clock.shift(HOUR)
    is_in(signed_in)
    seen = signed_in.session["seen"]
    clock.shift(timedelta(seconds=30))
    is_in(signed_in)
    assert signed_in.session["seen"] == seen
