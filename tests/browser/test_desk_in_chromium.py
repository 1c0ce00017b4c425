"""Reading at the desk: what the person did is saved once, whatever becomes of the connection and of the session."""

from django.contrib.sessions.models import Session
from django.urls import reverse

from images.models import Image
from labeling.models import Label
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from tests.conftest import PASSWORD

PAINTED = (
    "() => document.querySelector('[data-viewer]')?.dataset.painted === document.querySelector('[name=image]')?.value"
)
FETCHED = """wanted => new Set(
    performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => name.includes("/rendition/"))
).size >= wanted"""
SHOWN = "document.querySelector('.desk-head h1')?.textContent"


class Reader:
    """A person at the desk, who presses a key when the picture is there."""

    def __init__(self, windows, live_server, user, name, project) -> None:
        self.context = signed_in(windows, live_server, user, DESK)
        self.watched = Watched(self.context)
        self.page = self.watched.page
        self.page.goto(f"{live_server.url}{reverse(name, args=[project.pk])}")
        self.seen()

    def seen(self) -> str:
        self.page.wait_for_function(PAINTED)
        self.page.wait_for_timeout(200)
        return str(self.page.evaluate(SHOWN))

    def press(self, key: str) -> str:
        """Returns the scan that the key was about."""
        was = self.seen()
        self.page.keyboard.press(key)
        self.page.wait_for_function(f"was => {SHOWN} !== was", arg=was)
        return was

    def saved(self) -> None:
        self.page.wait_for_function("() => !Object.keys(sessionStorage).some((key) => key.startsWith('desk:'))")

    def goes_offline(self, pictures: int) -> None:
        """When so many pictures have come: the one that is read, and those after it."""
        self.page.wait_for_function(FETCHED, arg=pictures)
        self.context.set_offline(True)

    def said(self, text: str) -> None:
        self.page.locator("[data-saved]").get_by_text(text).wait_for()


def test_nothing_is_lost_and_nothing_is_doubled_when_the_line_is_cut_and_the_session_ends(
    windows, live_server, project, author, make_scan
):
    for seed in range(14):
        make_scan(seed=seed)
    reader = Reader(windows, live_server, author, "label_next", project)
    given = {}
    for number in range(13):
        if number in (2, 8):
            _lose_one_answer(reader.page) if number == 2 else reader.goes_offline(pictures=number + 3)
        if number == 5:
            reader.saved()
            Session.objects.all().delete()
        key = "12"[number % 2]
        given[reader.press(key)] = ("NORMAL", "OPACITY")[number % 2]
        if number == 9:
            reader.page.locator("[data-unsent]").get_by_text("Not saved yet: 2").wait_for()
            reader.context.set_offline(False)
        if number == 5:
            _sign_in_beside(reader, live_server, author)
    reader.saved()
    labels = Label.objects.values_list("image", "label_class__name")
    assert {Image(pk=pk).code: name for pk, name in labels} == given
    assert Label.objects.count() == len(given) == 13
    assert [fault for fault in reader.watched.faults if not fault.startswith("console: Failed to load")] == []


def _lose_one_answer(page) -> None:
    """The server does what it is asked, and its answer is lost on the way."""

    page.evaluate(
        """() => {
            const fetches = window.fetch;
            window.fetch = async (...asked) => {
                window.fetch = fetches;
                await fetches(...asked);
                throw new TypeError("lost");
            };
        }"""
    )


def _sign_in_beside(reader, live_server, user) -> None:
    with reader.context.expect_page() as opened:
        reader.page.get_by_role("link", name="Log in again in a new tab").click()
    login = opened.value
    login.fill("[name=username]", user.username)
    login.fill("[name=password]", PASSWORD)
    login.keyboard.press("Enter")
    login.wait_for_url(f"{live_server.url}/")
    login.close()
    reader.page.bring_to_front()
    reader.page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_the_desk_by_keyboard_alone(windows, live_server, project, author, colleague, make_scan):
    """Undo, skip, reasons, comment; a class beyond the ninth by typing; the focus stays where it was."""
    from images.services import update_project

    names = ["NORMAL", "OPACITY", *(f"FINDING {number:02}" for number in range(3, 16))]
    update_project(actor=project.created_by, project=project, changes={"classes": names})
    first, second, third = (make_scan(seed=seed) for seed in range(3))
    reader = Reader(windows, live_server, author, "label_next", project)
    page = reader.page
    assert page.get_by_role("button", name="Skip").bounding_box()["y"] < DESK["height"] - 30
    reader.press("2")
    reader.said(f"Saved: {first.code} is OPACITY.")
    reader.press("z")
    assert reader.seen() == first.code and not Image.objects.get(pk=first.pk).label_class_id
    page.keyboard.press("/")
    page.keyboard.type("finding 15")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    reader.said(f"Saved: {first.code} is FINDING 15.")
    assert page.evaluate("document.activeElement.matches('[data-find]')")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Skip").focus()
    page.keyboard.press("Enter")
    reader.said(f"Skipped: {second.code}.")
    assert page.evaluate("document.activeElement.name") == "skip"
    assert reader.seen() == third.code
    page.keyboard.press("c")
    page.keyboard.type("1 and 2")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    assert Label.objects.filter(image=third).count() == 0
    page.keyboard.press("5")
    page.get_by_text("You skipped 1").wait_for()
    label = Label.objects.get(image=third)
    assert (label.ungradable_reason, label.comment) == ("cannot tell", "1 and 2")
    assert reader.watched.faults == []


def test_who_switched_letter_keys_off_is_not_surprised_by_one(windows, live_server, project, author, make_scan):
    from mediscan_site.core.services import set_preferences

    scan = make_scan(seed=1)
    set_preferences(actor=author, values={"letter_keys": False})
    reader = Reader(windows, live_server, author, "label_next", project)
    for key in "12suz":
        reader.page.keyboard.press(key)
    reader.page.wait_for_timeout(200)
    assert not Label.objects.exists() and reader.seen() == scan.code
    reader.page.get_by_role("button", name="OPACITY").focus()
    reader.page.keyboard.press("Enter")
    reader.page.get_by_text("Nothing to label").wait_for()
    assert Label.objects.get().label_class.name == "OPACITY"
