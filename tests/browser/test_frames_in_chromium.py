"""A doctor chooses the frames of a cine, has it graded and looks at the answer, in a real browser."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from images.frames import looked_at
from images.models import Image
from models_registry.grades.heatmaps import draw
from models_registry.grades.worker import run_grade
from models_registry.models import Grade
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from tests.images.cines import cine, store


@pytest.fixture
def film(transactional_db, deployed, project, author):
    """A real cine of ultrasound where there is one."""
    real = Path(os.environ.get("MEDISCAN_TEST_DATA") or settings.BASE_DIR.parent / "shared" / "data")
    path = real / "dicom" / "examples_ybr_color.dcm"
    film = store(project, author, path.read_bytes() if path.exists() else cine(30, side=128))
    Image.objects.filter(pk=film.pk).update(hold="")
    return film


def looked(seen: Watched, folder, name: str) -> None:
    folder = Path(os.environ.get("MEDISCAN_TEST_SHOTS") or folder)
    seen.page.screenshot(path=folder / f"{name}.png", full_page=True)
    assert not seen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert seen.faults == []


def test_frames_are_chosen_and_the_cine_is_graded_on_them(windows, live_server, author, film, project, tmp_path):
    seen = Watched(signed_in(windows, live_server, author, DESK))
    page = seen.page
    page.goto(f"{live_server.url}{reverse('scan', args=[film.pk])}")
    assert page.get_by_text("nobody has said which of them count").count() == 1
    # Of a long one some are shown, spread evenly.
    shown = [int(box.get_attribute("value")) for box in page.locator("#frames input[type=checkbox]").all()]
    one, other = shown[1], shown[3]
    with page.expect_response(lambda answer: f"/frames/{one}/" in answer.url):
        page.get_by_text("Choose frames").click()
    assert page.locator("#frames img").nth(2).evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_role("checkbox", name=f"Frame {one}", exact=True).check()
    page.get_by_role("checkbox", name=f"Frame {other}", exact=True).check()
    looked(seen, tmp_path, "choosing")
    page.get_by_role("button", name="Look at the ticked frames").click()
    page.get_by_text("chosen by author").wait_for()
    assert looked_at(film, project).frames == (one, other)
    looked(seen, tmp_path, "chosen")

    page.goto(f"{live_server.url}{reverse('grade', args=[project.pk])}?image={film.code}")
    page.locator("form button[type=submit].primary").first.click()
    page.wait_for_url("**/grades/**")
    grade = Grade.objects.get()
    run_grade(grade.pk)
    grade.refresh_from_db()
    draw(grade)
    page.goto(f"{live_server.url}{reverse('grade_detail', args=[grade.pk])}")
    page.get_by_text(f"Answered on 2 frames of {film.frames} ({one}, {other})").wait_for()
    drawn_on = page.locator("img.base").get_attribute("src")
    assert drawn_on.endswith(f"/frames/{grade.worst_frame}/")
    assert page.locator("img.base").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_role("checkbox", name="Show what spoke for").check()
    page.locator("img.overlay").evaluate("image => image.decode()")
    looked(seen, tmp_path, "graded")
