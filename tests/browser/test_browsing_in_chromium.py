"""The cut-off of a version's page moves by keyboard, and an explanation opens without leaving its place."""

from django.urls import reverse

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from tests.pages.test_browsing_pages import measured, split  # noqa: F401 - fixtures of this file too


def test_the_slider_moves_figures_cells_and_dots(windows, live_server, admin, measured):  # noqa: F811
    model = measured(power=1)
    watched = Watched(signed_in(windows, live_server, admin, DESK))
    page = watched.page
    page.goto(f"{live_server.url}{reverse('model', args=[model.pk])}")
    section = page.locator("#cutoff")
    found, missed = section.locator("[data-cell=tp]"), section.locator("[data-cell=fn]")
    assert (int(found.inner_text()) + int(missed.inner_text())) == 6
    section.locator("input[name=cutoff]").focus()
    page.keyboard.press("Home")
    assert (found.inner_text(), missed.inner_text()) == ("6", "0")
    assert section.locator("[data-now]").inner_text() == "0.00"
    assert "cutoff=0.00&cell=tp" in found.get_attribute("href")
    assert section.locator(".mark.here").count() == 2
    page.keyboard.press("End")
    assert missed.inner_text() == "6"
    assert "missed 6" in section.locator("[data-tell]").inner_text()
    ask = section.locator("dt button.ask").first
    ask.focus()
    page.keyboard.press("Enter")
    assert section.locator(".explanation:popover-open").inner_text().startswith("Sensitivity")
    page.keyboard.press("Escape")
    assert section.locator(".explanation:popover-open").count() == 0
    assert ask.evaluate("each => each === document.activeElement")
    assert watched.faults == []
