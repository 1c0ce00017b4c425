"""A large ZIP from the browser: a connection that breaks, a page that is loaded again, another file of the same name."""

import hashlib
import random
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from labeling.imports import uploads, worker, zipfiles
from labeling.models import Import, ResumableUpload
from tests.browser.conftest import Watched
from tests.conftest import scan_bytes

pytestmark = pytest.mark.django_db(transaction=True)
# The browser sends pieces of the size that the server tells, and whole what is no larger than 8 MiB: three pieces of half the
# usual size are enough.
PIECE = uploads.PART_SIZE // 2
PUTS = "**/api/v1/uploads/*/"


@pytest.fixture
def big(tmp_path):
    """A ZIP of three pieces; another seed gives other bytes of the same number."""

    def make(seed: int = 0) -> Path:
        path = tmp_path / str(seed) / "big.zip"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("NORMAL/a.jpg", scan_bytes(1))
            made.writestr("NORMAL/noise.jpg", random.Random(seed).randbytes(9 * 2**20))
        return path

    return make


@pytest.fixture
def page(windows, live_server, author, project, monkeypatch):
    monkeypatch.setattr(uploads, "PART_SIZE", PIECE)
    client = Client()
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    context = windows(viewport={"width": 1280, "height": 860})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    watched = Watched(context)
    watched.page.on("dialog", lambda dialog: dialog.accept())
    watched.page.goto(f"{live_server.url}/projects/{project.pk}/upload/")
    yield watched.page
    # A broken connection is an error of the console; a script's own is not.
    assert [fault for fault in watched.faults if not fault.startswith("console: Failed to load resource")] == []


class Line:
    """The way to the server: which pieces went over it, and where it breaks."""

    def __init__(self, page, *, broken_at: set[int]) -> None:
        self.sent: list[int] = []
        self.broken_at = broken_at
        page.route(PUTS, self._pass)

    def _pass(self, route) -> None:
        if route.request.method == "PUT":
            first = int(route.request.headers["content-range"].split()[1].split("-")[0])
            if first in self.broken_at:
                route.abort("connectionreset")
                return
            self.sent.append(first)
        route.continue_()


def choose(page, path: Path, *, look: bool = False) -> None:
    page.get_by_label("Look before a ZIP comes in").set_checked(look)
    page.set_input_files("input[type=file]", str(path))


def check_arrived(page, path: Path) -> None:
    page.get_by_role("link", name="Report of the import").wait_for()
    stream = zipfiles.open_zip(Import.objects.get())
    assert stream is not None
    with stream:
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_a_broken_connection_costs_one_piece(page, big):
    line, path = Line(page, broken_at={PIECE}), big()
    choose(page, path)
    page.get_by_text("The connection was lost. It resumes by itself.").wait_for()
    line.broken_at.clear()
    check_arrived(page, path)
    assert line.sent == [0, PIECE, 2 * PIECE]
    batch = Import.objects.get()
    worker.run(batch.pk)
    assert batch.files.filter(outcome="created").count() == 1


def test_a_machine_that_was_offline_goes_on_when_it_is_back(page, big):
    held = []
    path = big()

    def hold_the_first(route) -> None:
        if held:
            route.abort("internetdisconnected")
        held.append(route)

    page.route(PUTS, hold_the_first)
    with page.expect_request(PUTS):
        choose(page, path)
    while not held:
        page.wait_for_timeout(100)
    page.context.set_offline(True)
    held[0].abort("internetdisconnected")
    page.get_by_text("The connection was lost. It resumes by itself.").wait_for()
    page.unroute(PUTS)
    page.context.set_offline(False)
    check_arrived(page, path)


def test_after_a_reload_the_same_file_goes_on_where_it_stopped(page, big):
    line, path = Line(page, broken_at={2 * PIECE}), big()
    choose(page, path)
    page.get_by_text("The connection was lost.").wait_for()
    page.reload()
    line.broken_at.clear()  # not before: the page that is left would send the piece by itself
    page.get_by_role("heading", name="Unfinished uploads").wait_for()
    page.get_by_text("8.0 MB of 9.0 MB").wait_for()
    line.sent.clear()
    choose(page, path)
    check_arrived(page, path)
    assert line.sent == [2 * PIECE]
    assert ResumableUpload.objects.count() == 1


def test_another_file_of_the_same_name_and_size_is_never_mixed_in(page, big):
    line, path, other = Line(page, broken_at={2 * PIECE}), big(), big(1)
    assert path.stat().st_size == other.stat().st_size
    choose(page, path)
    page.get_by_text("The connection was lost.").wait_for()
    page.reload()
    line.broken_at.clear()
    line.sent.clear()
    choose(page, other)
    check_arrived(page, other)
    assert line.sent == [0, PIECE, 2 * PIECE]
    assert ResumableUpload.objects.count() == 2


def test_giving_up_destroys_what_arrived_and_leaves_the_way_free(page, big):
    line, path = Line(page, broken_at={PIECE}), big()
    choose(page, path)
    page.get_by_text("The connection was lost.").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("row").get_by_text("Cancelled.").wait_for()
    assert not ResumableUpload.objects.exists()
    line.broken_at.clear()
    page.get_by_role("button", name="Try again").click()
    check_arrived(page, path)


def test_what_is_no_zip_is_refused_with_the_reason(page, tmp_path):
    path = tmp_path / "no.zip"
    path.write_bytes(bytes(9 * 2**20))
    choose(page, path)
    page.get_by_text("This file is not a readable ZIP archive.").wait_for()
    assert not ResumableUpload.objects.exists()


def test_a_large_file_is_looked_at_before_it_comes_in_and_is_sent_once(page, big):
    line, path = Line(page, broken_at=set()), big()
    choose(page, path, look=True)
    page.get_by_role("heading", name="What is in big.zip").wait_for()
    assert line.sent == [0, PIECE, 2 * PIECE] and not Import.objects.exists()
    page.get_by_role("button", name="Start the import").click()
    page.get_by_role("heading", name="Import of big.zip").wait_for()
    worker.run(Import.objects.get().pk)
    assert Import.objects.get().status == "succeeded"
