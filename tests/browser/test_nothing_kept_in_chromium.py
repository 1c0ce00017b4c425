"""The browser keeps nothing of a patient, and its Back button still works."""

from django.urls import reverse

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in

PICTURES = "[...document.querySelectorAll('.thumbs img')].map((img) => img.complete && img.naturalWidth > 0)"
CACHED = "performance.getEntriesByType('resource').filter((r) => r.name.includes('thumbnail') && r.transferSize === 0).length"


def test_thumbnails_are_shown_but_not_kept_and_back_after_logging_out_shows_nothing(
    windows, live_server, make_scan, author, project
):
    scans = [make_scan(seed=seed) for seed in (1, 2)]
    watched = Watched(signed_in(windows, live_server, author, DESK))
    page, listed = watched.page, f"{live_server.url}{reverse('scan_list', args=[project.pk])}"
    for _ in range(2):
        page.goto(listed)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(PICTURES) == [True, True]
    assert page.evaluate(CACHED) == 0
    page.goto(f"{live_server.url}{reverse('scan', args=[scans[0].pk])}")
    page.get_by_text("Your account:").locator("..").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login/**")
    for _ in range(2):
        page.go_back()
        page.wait_for_load_state("load")
        assert "/login/" in page.url and scans[0].code not in page.content()
    assert watched.faults == []


def test_back_from_a_refused_form_leads_to_one_that_can_be_sent(windows, live_server, make_scan, author):
    scan = make_scan(seed=1)
    watched = Watched(signed_in(windows, live_server, author, DESK))
    page, form = watched.page, f"{live_server.url}{reverse('scan_edit', args=[scan.pk])}"
    page.goto(form)
    page.fill("[name=age]", "700")
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state("load")
    assert "must be a number" in page.content()
    page.go_back()
    page.wait_for_load_state("load")
    page.fill("[name=age]", "70")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/scans/{scan.pk}/")
    scan.metadata.refresh_from_db()
    assert scan.metadata.age == 70
    page.go_back()
    assert page.input_value("[name=age]") in ("70", "70.0")
