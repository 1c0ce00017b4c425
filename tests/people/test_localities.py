"""Whose language and whose clock a page speaks; machines get English and UTC."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from images.models import Image
from mediscan_site.core import services
from mediscan_site.core.http.localities import ZONE_COOKIE
from mediscan_site.core.messages.services import tell
from mediscan_site.core.models import Message

pytestmark = pytest.mark.django_db
MOMENT = "2026-07-01T22:30:00Z"


@pytest.fixture
def browser(author):
    """Signed in, with a message of half past ten in the evening, UTC."""
    client = Client()
    client.force_login(author, backend=settings.AUTHENTICATION_BACKENDS[1])
    tell([author], "backup_failed", key="backup:1", url="/")
    Message.objects.update(created_at=MOMENT)
    return client


def page(client, **headers) -> str:
    return str(client.get(reverse("messages"), headers=headers).content.decode())


def test_times_are_those_of_the_browsers_clock_until_the_person_chooses_another(browser, author):
    assert "2026-07-01 22:30" in page(browser)
    browser.cookies[ZONE_COOKIE] = "Europe/Berlin"
    assert "2026-07-02 00:30" in page(browser)
    services.set_preferences(actor=author, values={"time_zone": "Asia/Tokyo"})
    assert "2026-07-02 07:30" in page(browser)


@pytest.mark.parametrize("named", ["Europe/Atlantis", "../../etc/passwd", "", "a" * 3000])
def test_a_cookie_that_names_no_zone_is_the_sites_own(browser, named):
    browser.cookies[ZONE_COOKIE] = named
    assert "2026-07-01 22:30" in page(browser)


def test_dates_are_written_alike_in_every_language(browser, author):
    assert "2026-07-01 22:30" in page(browser, accept_language="de-CH,de;q=0.9")
    services.set_preferences(actor=author, values={"language": "en"})
    assert '<html lang="en"' in page(browser, accept_language="de")
    assert "2026-07-01 22:30" in page(browser, accept_language="de")
    answer = browser.get(reverse("messages"), headers={"accept-language": "de"})
    assert answer["Content-Language"] == "en"
    assert "Accept-Language" in answer["Vary"]


def test_machines_get_utc_and_english_whatever_the_person_chose(api, author, make_scan):
    services.set_preferences(actor=author, values={"time_zone": "Asia/Tokyo", "language": "de"})
    make_scan(seed=1)
    Image.objects.update(upload_date=MOMENT)
    client = api(author)
    client.cookies[ZONE_COOKIE] = "Asia/Tokyo"
    assert client.get("/api/v1/images/").json()["results"][0]["upload_date"] == MOMENT
    sheet = b"".join(client.get("/api/v1/images/?format=csv")).decode()
    assert "2026-07-01T22:30:00" in sheet
    assert "2026-07-02" not in sheet


def test_one_person_does_not_get_the_language_of_the_one_before(author, colleague):
    services.set_preferences(actor=author, values={"language": "de"})
    german, other = Client(), Client()
    german.force_login(author, backend=settings.AUTHENTICATION_BACKENDS[1])
    other.force_login(colleague, backend=settings.AUTHENTICATION_BACKENDS[1])
    assert '<html lang="de"' in page(german)
    assert '<html lang="en"' in page(other)
    assert '<html lang="de"' in page(german)


def test_a_language_that_is_read_from_the_right_turns_the_page(browser, settings):
    settings.LANGUAGES = [*settings.LANGUAGES, ("ar", "Arabic")]
    assert '<html lang="ar" dir="rtl"' in page(browser, accept_language="ar")
