"""The palette of the keyboard, by keyboard alone, in a real browser."""

import pytest
from django.urls import reverse

from mediscan_site.core.services import set_preferences
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def test_whoever_looks_at_the_keys_of_a_desk_labels_nothing_by_enter(live_server, windows, project, author, make_scan):
    """Enter once saved the first class."""
    scan = make_scan(seed=1)
    watched = Watched(signed_in(windows, live_server, author, DESK))
    page = watched.page
    page.goto(live_server.url + reverse("label_next", args=[project.pk]))
    page.locator("[data-key]").first.wait_for()
    for opener in ("?", "Control+k"):
        page.keyboard.press(opener)
        if not page.locator("#palette").is_visible():
            # The viewer's own list of keys.
            page.keyboard.press("Escape")
            continue
        page.locator("#palette [role=option]").first.wait_for()
        chosen = page.locator("#palette [role=option][aria-selected]")
        assert chosen.count() == 0 or "NORMAL" not in chosen.inner_text()
        if not chosen.count():
            page.keyboard.press("Enter")
        page.keyboard.type("normal")
        page.locator("#palette [role=option]", has_text="NORMAL").wait_for()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
    scan.refresh_from_db()
    assert scan.label_status == "unlabeled"
    assert watched.faults == []


def test_the_palette_goes_where_it_is_told_does_what_it_is_told_and_gives_the_focus_back(
    live_server, windows, project, author, make_scan
):
    scan = make_scan(seed=1)
    watched = Watched(signed_in(windows, live_server, author, DESK))
    page = watched.page
    page.goto(live_server.url + reverse("scan_list", args=[project.pk]))
    page.keyboard.press("/")
    field, chosen = page.get_by_role("combobox", name="Go to, do or find"), page.locator("[role=option][aria-selected]")
    field.wait_for()
    page.keyboard.type("dark")
    page.get_by_role("option", name="Dark theme").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("document.documentElement.dataset.theme == 'dark'")
    page.keyboard.press("Control+k")
    page.keyboard.type("chest")
    page.locator("#palette [role=option]").nth(2).wait_for()
    first = field.get_attribute("aria-activedescendant")
    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id") != first
    page.keyboard.press("Escape")
    assert not page.locator("#palette").is_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type(scan.code)
    page.get_by_role("option", name=scan.code).wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**" + reverse("scan", args=[scan.pk]))
    set_preferences(actor=author, values={"letter_keys": False})
    page.goto(live_server.url + reverse("jobs"))
    page.keyboard.press("/")
    assert not page.locator("#palette").is_visible()
    assert watched.faults == []
