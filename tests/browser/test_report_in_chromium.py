"""A whole report on the model page, in a real browser: nothing is blocked by the policy, and all of it fits the screen."""

import pytest
from django.urls import reverse

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, TABLET, signed_in
from tests.pages.test_evaluation_page import whole_report


@pytest.mark.parametrize("names", [["NORMAL", "OPACITY"], ["A", "B", "C", "D"]], ids=["two classes", "four classes"])
def test_a_whole_report_is_clean_and_its_curves_are_drawn(windows, live_server, admin, make_version, names, tmp_path):
    model = make_version(metrics=whole_report(names))
    for size in (DESK, TABLET):
        watched = Watched(signed_in(windows, live_server, admin, size))
        watched.page.goto(f"{live_server.url}{reverse('model', args=[model.pk])}")
        watched.page.screenshot(path=tmp_path / f"{size['width']}.png", full_page=True)
        curves = watched.page.locator("figure.shares polyline.line")
        assert curves.count() == (2 if len(names) == 2 else 2 * len(names))
        assert all(curve.bounding_box()["height"] > 50 for curve in curves.all())
        assert not watched.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert watched.faults == []
