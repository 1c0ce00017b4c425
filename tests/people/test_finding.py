"""One search over the site: what is typed is found by equality, and only by whoever may see it."""

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from images.services import create_project
from mediscan_site.front.finding.selectors import find

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[1])
    return client


def search(user, typed: str):
    return signed_in(user).get(reverse("search"), {"q": typed})


def test_a_code_goes_straight_to_what_has_it_and_nowhere_for_whoever_may_not_see_it(make_scan, author, outsider):
    scan = make_scan(seed=1)
    for typed in (scan.code, scan.code.upper(), f"img {scan.pk}", f" scan{scan.pk} "):
        assert search(author, typed)["Location"] == reverse("scan", args=[scan.pk])
    answer = search(outsider, scan.code)
    assert (answer.status_code, "Nothing found" in answer.content.decode()) == (200, True)


def test_a_patient_is_found_by_pseudonym_and_a_scan_by_its_external_id(make_scan, author, outsider, project):
    scan = make_scan(seed=1, patient="4711", external_id="ACC-1")
    found = search(author, scan.patient.lower()).content.decode()
    assert f"{reverse('scan_list', args=[project.pk])}?patient={scan.patient}" in found
    assert "1 scan in Chest X-ray" in found
    assert reverse("scan", args=[scan.pk]) in search(author, "ACC-1").content.decode()
    for typed in (scan.patient, "ACC-1", "chest"):
        assert "Nothing found" in search(outsider, typed).content.decode()
    # A number would be a question of its own, which the trail keeps.
    assert "Nothing found" in search(author, "4711").content.decode()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="EXPLAIN is each database's own")
def test_no_search_walks_through_the_scans(make_scan, admin, author):
    """Among a million of them it costs what it costs among three."""
    scan = make_scan(seed=1, patient="4711", external_id="ACC-1")
    for user in (admin, author):
        for typed in (scan.code, scan.patient, "ACC-1", "chest", "nothing"):
            with CaptureQueriesContext(connection) as asked:
                find(user, typed)
            for sql in (query["sql"] for query in asked if '"images_image"' in query["sql"]):
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                    plan = [row[3] for row in cursor.fetchall()]
                assert [step for step in plan if step.startswith("SCAN images_image")] == [], (typed, plan)


def test_accounts_are_found_by_administrators_alone(admin, author):
    assert reverse("user", args=[author.pk]) in search(admin, "AUTH").content.decode()
    assert "Nothing found" in search(author, "admin").content.decode()


@pytest.mark.parametrize("typed", ["", " ", "\x00", "img99999999999999999999999", "%", "a" * 500, "<script>", "\u202e"])
def test_whatever_is_typed_gets_an_answer(admin, project, typed):
    answer = search(admin, typed)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_the_palette_offers_pages_work_and_what_was_found_to_whoever_may(make_scan, author, admin, project):
    create_project(actor=admin, name="Skin", classes=["a", "b"])
    scan = make_scan(seed=1)

    def texts(user, typed: str = "") -> list[str]:
        groups = signed_in(user).get(reverse("palette"), {"q": typed}).json()["groups"]
        return [item["text"] for group in groups for item in group["items"]]

    assert "Label next in Chest X-ray" in texts(author, "label next")
    assert texts(author, "skin") == []
    assert "Label next in Skin" in texts(admin, "label skin")
    assert texts(author, "dark") == ["Dark theme"]
    assert texts(author, scan.code)[0] == scan.code
    assert "Users" not in texts(author, "users")
    assert "Users" in texts(admin, "users")


def test_neither_search_nor_palette_asks_more_of_the_database_with_more_projects(
    admin, author, project, django_assert_max_num_queries
):
    for number in range(12):
        create_project(actor=admin, name=f"Chest {number}", classes=["a", "b"])
    for user, page in ((admin, "search"), (admin, "palette"), (author, "palette")):
        browser = signed_in(user)
        with django_assert_max_num_queries(12):
            browser.get(reverse(page), {"q": "chest"})
