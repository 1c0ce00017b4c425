"""What a reader has not sent yet, a comment too, is theirs: it stays for them when a session ends, and for nobody else."""

import json

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from labeling.models import Label
from tests.browser.test_desk_in_chromium import Reader
from tests.conftest import PASSWORD

KEPT = (
    "() => Object.entries(sessionStorage).filter(([key]) => /^(desk|grid):/.test(key)).map(([, value]) => value).join()"
)
COMMENT = "Mrs Doe, see her letter"


@pytest.fixture
def reader(windows, live_server, project, author, make_scan):
    """Somebody whose session ended while they labelled: their answer, with a comment, waits in the tab."""
    for seed in range(3):
        make_scan(seed=seed)
    reader = Reader(windows, live_server, author, "label_next", project)
    # Whether to leave, or to lose it.
    reader.page.on("dialog", lambda dialog: dialog.accept())
    Session.objects.all().delete()
    reader.page.keyboard.press("c")
    reader.page.keyboard.type(COMMENT)
    reader.page.keyboard.press("Escape")
    reader.press("2")
    reader.page.locator("[data-unsent]").get_by_text("Not saved yet: 1").wait_for()
    assert COMMENT in reader.page.evaluate(KEPT)
    return reader


def sign_in(page, live_server, user):
    page.goto(f"{live_server.url}{reverse('login')}")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")


def test_whoever_signs_in_again_as_the_same_person_finds_it(reader, live_server, author, project):
    sign_in(reader.page, live_server, author)
    assert COMMENT in reader.page.evaluate(KEPT)
    reader.page.goto(f"{live_server.url}{reverse('label_next', args=[project.pk])}")
    reader.saved()
    assert Label.objects.get().comment == COMMENT


def test_nothing_of_it_is_left_when_somebody_else_signs_in(reader, live_server, colleague, project):
    sign_in(reader.page, live_server, colleague)
    assert reader.page.evaluate(KEPT) == ""
    assert COMMENT not in json.dumps(reader.page.evaluate("() => ({...sessionStorage})"))
    assert not Label.objects.exists()


def test_nothing_of_it_is_left_after_a_log_out_that_says_what_is_lost(reader, live_server, author):
    page, asked = reader.page, []
    sign_in(page, live_server, author)
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.get_by_text("Your account:").locator("..").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/**")
    page.wait_for_load_state("load")
    assert page.evaluate(KEPT) == ""
    assert ["are not saved yet" in message for message in asked] == [True]
    sign_in(page, live_server, author)
    assert page.evaluate(KEPT) == "" and page.evaluate("() => sessionStorage.getItem('left')") is None
