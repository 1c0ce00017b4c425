"""Single files from the browser: what is refused for good, and what can be sent again."""

import pytest
from django.conf import settings
from django.test import Client

from images.models import Image
from labeling.imports import worker
from labeling.models import Import, ResumableUpload
from tests.browser.conftest import Watched
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import cd, packed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(windows, live_server, author, project):
    client = Client()
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    context = windows(viewport={"width": 1280, "height": 860})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    watched = Watched(context)
    watched.page.goto(f"{live_server.url}/projects/{project.pk}/upload/")
    yield watched.page
    # A broken connection and a refusal are errors of the console; a script's own is not.
    assert [fault for fault in watched.faults if not fault.startswith("console: Failed to load resource")] == []


def choose(page, name: str, data: bytes) -> None:
    page.set_input_files("input[type=file]", [{"name": name, "mimeType": "image/jpeg", "buffer": data}])


def zipped(page, name: str, files: dict[str, bytes]) -> None:
    file = {"name": name, "mimeType": "application/zip", "buffer": packed(files).getvalue()}
    page.set_input_files("input[type=file]", [file])
    page.get_by_role("heading", name=f"What is in {name}").wait_for()


def test_a_patients_cd_is_looked_at_and_comes_in(page):
    zipped(page, "cd.zip", cd())
    for words in ("Nothing has come in yet.", "DICOM files are taken from every folder", "program of a viewer"):
        page.get_by_text(words).wait_for()
    assert not Image.objects.exists()
    page.get_by_role("button", name="Start the import").click()
    page.get_by_role("heading", name="Import of cd.zip").wait_for()
    worker.run(Import.objects.get().pk)
    page.get_by_text("succeeded").wait_for()
    page.get_by_text("neither scans nor mistakes").wait_for()
    assert Image.objects.count() == 3


def test_a_data_set_that_was_misunderstood_is_given_up(page):
    zipped(page, "set.zip", {"a.jpg": scan_bytes(1), "labels.csv": b"image_id,label,split\na.jpg,ZEBRA,valid\n"})
    page.get_by_text("no class of the project").wait_for()
    page.get_by_role("button", name="Give it up").click()
    page.locator("#messages").get_by_text("set.zip was given up. Nothing of it was kept.").wait_for()
    assert not ResumableUpload.objects.exists() and not Image.objects.exists()


def test_a_file_that_is_no_scan_is_refused_with_the_reason_and_not_offered_again(page):
    choose(page, "letter.jpg", b"%PDF-1.7 a letter")
    page.get_by_text("1 of 1 done, 1 refused").wait_for()
    line = page.locator("[data-rows] tr")
    assert line.locator(".badge").inner_text() == "refused"
    assert line.locator("td").last.inner_text().startswith("This is not a JPEG, PNG, TIFF or DICOM file.")
    assert page.get_by_role("button", name="Try again").count() == 0


def test_a_scan_whose_connection_broke_is_sent_again_at_a_click(page):
    page.route("**/api/v1/images/", lambda route: route.abort("connectionreset"))
    choose(page, "scan.jpg", scan_bytes(1))
    page.get_by_text("The connection was lost.").wait_for()
    assert page.locator("[data-summary]").inner_text() == "1 of 1 done, 1 refused"
    page.unroute("**/api/v1/images/")
    page.get_by_role("button", name="Try again").click()
    page.locator("[data-rows] .badge", has_text="created").wait_for()
    scan = Image.objects.get()
    assert page.get_by_role("link", name=scan.code).get_attribute("href") == f"/scans/{scan.pk}/"
    assert page.locator("[data-summary]").inner_text() == "1 of 1 done"


def test_a_zip_that_comes_in_unseen_is_followed_to_its_end(page):
    page.get_by_label("Look before a ZIP comes in").uncheck()
    data = packed({"NORMAL/a.jpg": scan_bytes(1), "b.txt": b"no scan"}).getvalue()
    page.set_input_files("input[type=file]", [{"name": "set.zip", "mimeType": "application/zip", "buffer": data}])
    line = page.locator("[data-rows] tr")
    line.get_by_text("received, waits its turn").wait_for()
    assert not page.locator("[data-next]").is_visible()
    batch = Import.objects.get()
    worker.run(batch.pk)
    Image.objects.update(hold="burned_in_annotation")
    line.get_by_text("came in", exact=True).wait_for()
    assert "held back: 1" in line.inner_text()
    assert line.get_by_role("link").get_attribute("href") == f"/imports/{batch.pk}/"
    page.get_by_role("link", name="Label them").wait_for()


def test_arrow_keys_go_through_a_plot_and_say_each_mark(page, live_server, author, make_scan):
    make_scan(seed=1, label="NORMAL")
    page.goto(live_server.url)
    marks = page.locator(".plot-columns .mark")
    marks.last.hover()
    assert page.locator(".plot-tip").inner_text().endswith("mine: 1, my colleagues': 0")
    page.mouse.move(0, 0)
    marks.first.focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").endswith("mine: 1, my colleagues': 0")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".plot-tip").inner_text().endswith("mine: 0, my colleagues': 0")
    page.keyboard.press("Escape")
    assert page.locator(".plot-tip").count() == 0
    assert marks.evaluate_all("all => all.filter((mark) => mark.tabIndex === 0).length") == 1


def test_a_german_page_says_in_german_what_the_api_refuses(windows, live_server, author, project):
    client = Client()
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    context = windows(viewport={"width": 1280, "height": 860}, locale="de-DE")
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/projects/{project.pk}/upload/")
    choose(page, "notes.jpg", b"no picture")
    page.get_by_text("laden Sie sie hoch").wait_for()
    row = page.locator("[data-rows]").inner_text()
    assert "abgewiesen" in row
    assert "refused" not in row and "This is not" not in row
