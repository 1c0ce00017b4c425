"""Reading with the keyboard: what a key must never do, and what it does wherever the focus is."""

from django.urls import reverse

from labeling.models import Label, Review
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in

PAINTED = (
    "() => document.querySelector('[data-viewer]')?.dataset.painted === document.querySelector('[name=image]')?.value"
)


def opened(windows, live_server, user, name, project):
    watched = Watched(signed_in(windows, live_server, user, DESK))
    watched.page.goto(f"{live_server.url}{reverse(name, args=[project.pk])}")
    if name != "review_many":
        looked(watched.page)
    return watched


def looked(page) -> None:
    """The picture is there, and for long enough to be meant."""
    page.wait_for_function(PAINTED)
    page.wait_for_timeout(200)


def saved(page, text: str) -> None:
    page.locator("[data-saved]").get_by_text(text).wait_for()


def test_enter_in_a_comment_labels_nothing(windows, live_server, project, author, make_scan):
    scan = make_scan(seed=1)
    watched = opened(windows, live_server, author, "label_next", project)
    comment = watched.page.get_by_label("Comment")
    comment.fill("Consolidation right lower lobe")
    comment.press("Enter")
    comment.type("and more")
    watched.page.get_by_role("button", name="OPACITY").click()
    saved(watched.page, f"Saved: {scan.code} is OPACITY.")
    (label,) = Label.objects.all()
    assert label.comment.splitlines() == ["Consolidation right lower lobe", "and more"]
    assert watched.faults == []


def test_enter_never_approves_and_rejecting_says_why(windows, live_server, project, colleague, make_scan):
    scan = make_scan(seed=1, label="OPACITY")
    watched = opened(windows, live_server, colleague, "review", project)
    watched.page.get_by_label("Comment").press("Enter")
    watched.page.get_by_label("Comment").fill("looks normal to me")
    watched.page.get_by_label("Comment").press("Escape")
    watched.page.keyboard.press("r")
    assert not Review.objects.exists()
    watched.page.keyboard.press("1")
    saved(watched.page, f"Saved: {scan.code} rejected.")
    assert [(review.status, review.comment) for review in Review.objects.all()] == [
        ("rejected", "another class is right\nlooks normal to me")
    ]
    assert watched.faults == []


def test_enter_on_a_tick_decides_nothing(windows, live_server, project, colleague, make_scan):
    scan = make_scan(seed=1, label="OPACITY")
    watched = opened(windows, live_server, colleague, "review_many", project)
    tick = watched.page.get_by_label(f"Tick {scan.code}")
    tick.check()
    tick.press("Enter")
    watched.page.wait_for_timeout(300)
    assert tick.is_checked() and not Review.objects.exists()
    assert watched.faults == []


def test_enter_on_a_tick_decides_nothing_without_scripts_either(windows, live_server, project, colleague, make_scan):
    scan = make_scan(seed=1, label="OPACITY")
    context = signed_in(windows, live_server, colleague, DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}{reverse('review_many', args=[project.pk])}")
    page.get_by_label(f"Tick {scan.code}").check()
    page.get_by_label(f"Tick {scan.code}").press("Enter")
    page.get_by_text("nothing was decided").wait_for()
    assert not Review.objects.exists()


def test_the_keys_work_after_a_list_and_a_button_were_touched(windows, live_server, project, author, make_scan):
    first, second = make_scan(seed=1), make_scan(seed=2)
    watched = opened(windows, live_server, author, "label_next", project)
    watched.page.locator("[data-viewer] select").first.focus()
    watched.page.keyboard.press("1")
    saved(watched.page, f"Saved: {first.code} is NORMAL.")
    looked(watched.page)
    watched.page.get_by_label("Comment").focus()
    watched.page.keyboard.press("2")
    assert Label.objects.count() == 1
    watched.page.locator("[data-viewer] [data-hotkey=i]").focus()
    watched.page.keyboard.press("2")
    saved(watched.page, f"Saved: {second.code} is OPACITY.")
    assert watched.faults == []
