"""What scripts add to the shell of a page: its light at once, menus that close, forms on their way, words that are heard."""

from django.urls import reverse

from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in

# The press, and what the button says a moment later, before the answer is here.
SENT_TWICE = """new Promise((done) => {
  const save = document.querySelector("main button[type=submit]");
  save.click();
  setTimeout(() => done([save.getAttribute("aria-busy"), save.disabled]));
})"""


def test_the_light_changes_at_the_press_and_stays_and_the_menu_gives_the_focus_back(windows, live_server, author):
    watched = Watched(signed_in(windows, live_server, author, DESK, timezone_id="Europe/Berlin"))
    page, light = watched.page, "document.documentElement.dataset.theme"
    page.goto(f"{live_server.url}{reverse('jobs')}")
    menu = page.locator("summary", has_text="Your account")
    menu.click()
    with page.expect_response(lambda answer: answer.status == 204):
        page.get_by_role("button", name="Dark").click()
    assert page.evaluate(light) == "dark"
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Dark").is_hidden()
    assert menu.evaluate("menu => menu === document.activeElement")
    page.reload()
    assert page.evaluate(light) == "dark"
    assert "CET" in page.locator(".foot").inner_text() or "CEST" in page.locator(".foot").inner_text()
    assert watched.faults == []


def test_a_form_on_its_way_cannot_be_sent_twice_and_what_came_of_it_is_heard(windows, live_server, make_scan, author):
    scan = make_scan(seed=1)
    watched = Watched(signed_in(windows, live_server, author, DESK))
    page = watched.page
    page.goto(f"{live_server.url}{reverse('scan_edit', args=[scan.pk])}")
    assert page.evaluate(SENT_TWICE) == ["true", True]
    page.locator("#said", has_text="Saved.").wait_for(state="attached")
    # Kept as it was and brought back, it can be sent again.
    page.evaluate("document.querySelector('main').innerHTML = '<button aria-busy=true disabled>Send</button>'")
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    assert page.get_by_role("button", name="Send").is_enabled()
    assert watched.faults == []


def test_a_long_name_of_a_project_pushes_nothing_out_of_its_bar(windows, live_server, admin, project):
    from images.models import Project

    Project.objects.filter(pk=project.pk).update(name="Thorax_" * 20)
    watched = Watched(signed_in(windows, live_server, admin, DESK))
    page = watched.page
    page.goto(f"{live_server.url}{reverse('project', args=[project.pk])}")
    bar = page.locator(".project-nav")
    assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
    assert bar.get_by_role("link", name="Settings").bounding_box()["x"] < DESK["width"]
    assert bar.locator(".project-name").get_attribute("title") == "Thorax_" * 20
    assert watched.faults == []
