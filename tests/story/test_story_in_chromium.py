"""The mission in three people's browsers, over the real site with its real workers: upload, label, review, train, deploy, grade,
feedback, history."""

import base64
import re

import pytest

from images import phantoms
from tests.browser.conftest import Watched, chromium, windows  # noqa: F401 -- fixtures of this file too
from tests.conftest import PATIENCE_S
from tests.story.conftest import CLASSES, PASSWORD, jpeg, phantom_zip

pytestmark = pytest.mark.story

PROJECT = "Chest radiographs"
PATIENTS, SCANS = 70, 2
# Enough for a model that may be deployed.
EPOCHS = "14"
JOB_MS = PATIENCE_S * 1000
PAINTED = (
    "() => document.querySelector('[data-viewer]')?.dataset.painted === document.querySelector('[name=image]')?.value"
)
DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: "image/jpeg"}));
    return data;
}"""


@pytest.fixture
def sign_in(windows, site):  # noqa: F811
    """A browser of one's own for each person, signed in through the login page."""

    def open_for(name: str) -> Watched:
        watched = Watched(windows(viewport={"width": 1280, "height": 840}))
        watched.page.goto(f"{site.root}/login/")
        watched.page.get_by_label("Username").fill(name)
        watched.page.get_by_label("Password").fill(PASSWORD)
        watched.page.get_by_role("button", name="Log in").click()
        watched.page.get_by_role("heading", name="Dashboard").wait_for()
        return watched

    return open_for


def test_doctor_colleague_and_admin_go_round_the_loop(sign_in, site):
    boss, doctor, colleague = sign_in("boss"), sign_in("dr001"), sign_in("dr002")
    home = _make_project(boss.page)
    _upload(doctor.page, home)
    _label(doctor.page, home)
    _review(colleague.page, home)
    _train_and_deploy(boss.page, home)
    _grade(doctor.page, home)
    _look_back(doctor.page)
    refused = [*boss.refused, *doctor.refused, *colleague.refused]
    # Why somebody was turned away, the log alone says.
    assert [*boss.faults, *doctor.faults, *colleague.faults] == [], (refused, site.logged("turned away"))


def _make_project(page) -> str:
    """The address of the new project; both doctors are members."""
    page.get_by_role("link", name="New project").first.click()
    page.get_by_label("Name", exact=True).fill(PROJECT)
    page.get_by_label("Modality").fill("X-ray")
    page.get_by_label("Classes").fill("\n".join(CLASSES))
    page.get_by_role("button", name="Create project").click()
    for name in ("dr001", "dr002"):
        page.get_by_label("Account").select_option(label=name)
        page.get_by_role("button", name="Add").click()
        page.get_by_text(f"{name} is a member.").first.wait_for()
    page.get_by_role("link", name="Overview").click()
    page.wait_for_url(re.compile(r"/projects/\d+/$"))
    return str(page.url)


def _upload(page, home: str) -> None:
    """Two files through the picker, one dropped, one that is not a picture, and a ZIP with labels."""
    page.goto(f"{home}upload/")
    pictures = [
        {"name": f"new{seed}.jpg", "mimeType": "image/jpeg", "buffer": jpeg(phantoms.phantom(seed, 0, bool(seed % 2)))}
        for seed in (801, 802, 803)
    ]
    page.set_input_files("input[type=file]", pictures[:2])
    page.locator(".badge", has_text="created").nth(1).wait_for()
    dropped = page.evaluate_handle(DROP, ["dropped.jpg", base64.b64encode(pictures[2]["buffer"]).decode()])
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    page.locator(".badge", has_text="created").nth(2).wait_for()
    page.set_input_files("input[type=file]", [pictures[0]])
    page.locator(".badge", has_text="already there").wait_for()
    zipped = {"name": "set.zip", "mimeType": "application/zip", "buffer": phantom_zip(PATIENTS, SCANS, seed=11)}
    page.set_input_files("input[type=file]", [zipped])
    page.get_by_role("link", name="See what is in it").click()
    page.get_by_role("button", name="Start the import").click()
    page.locator("#import .badge", has_text="succeeded").wait_for(timeout=JOB_MS)
    page.wait_for_load_state()
    assert page.locator(".figures dd").nth(1).inner_text() == str(PATIENTS * SCANS)


def _label(page, home: str) -> None:
    """Three scans, using only keys; the last label is taken back and given anew."""
    page.goto(f"{home}label/")
    for key, name in (("2", CLASSES[1]), ("1", CLASSES[0]), ("2", CLASSES[1])):
        code = _looked(page)
        page.keyboard.press(key)
        _said(page, f"Saved: {code} is {name}.")
    page.get_by_role("heading", name="Nothing to label").wait_for()
    page.wait_for_load_state()  # a new page: its scripts hear the keys once it is loaded
    page.keyboard.press("z")
    page.get_by_text("Taken back:").first.wait_for()
    page.wait_for_load_state()
    code = _looked(page)
    page.keyboard.press("1")
    _said(page, f"Saved: {code} is {CLASSES[0]}.")


def _looked(page) -> str:
    """The scan whose picture is there, and for long enough to be meant."""
    page.wait_for_function(PAINTED)
    page.wait_for_timeout(200)
    return str(page.locator(".desk-head h1").inner_text())


def _said(page, text: str) -> None:
    page.locator("[data-saved]").get_by_text(text).wait_for()


def _review(page, home: str) -> None:
    """One by its key, one changed, all others ticked and approved page by page."""
    page.goto(f"{home}review/")
    code = _looked(page)
    page.keyboard.press("a")
    _said(page, f"Saved: {code} approved.")
    code = _looked(page)
    label = page.locator("[data-part=head] .answer").first.inner_text().strip()
    other = CLASSES[label == CLASSES[0]]
    page.keyboard.press(str(CLASSES.index(other) + 1))
    _said(page, f"Saved: {code} modified to {other}.")
    page.goto(f"{home}review/many/")
    page.on("dialog", lambda dialog: dialog.accept())
    while page.locator("[data-pick]").count():
        page.get_by_role("button", name="Tick all on this page").click()
        page.get_by_role("button", name="Approve the ticked").click()
        page.get_by_text(re.compile(r"scans? approved\.")).first.wait_for()
        page.goto(f"{home}review/many/")
    page.get_by_text("Nothing to review").first.wait_for()


def _train_and_deploy(page, home: str) -> None:
    """A run from scratch, watched to its end on its page; then the model is deployed."""
    page.goto(f"{home}training/")
    page.locator("summary", has_text="More settings").click()
    page.locator("[name=pretrained]").select_option(value="false")
    page.locator("[name=epochs]").fill(EPOCHS)
    page.locator("[name=image_size]").fill("64")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Cancel the run").wait_for()
    page.locator("#run .notice.success").wait_for(timeout=JOB_MS)
    assert page.locator("#run figure svg").count() >= 2
    page.get_by_role("link", name="Is it good enough?").click()
    page.get_by_role("heading", name="Confusion matrix").wait_for()
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.get_by_text(re.compile(r"^\s*model\d+ is deployed\.")).first.wait_for()


def _grade(page, home: str) -> None:
    """A new scan gets its answer without a reload; the heat map is off until it is asked for; then feedback."""
    page.goto(f"{home}grade/")
    picture = {"name": "patient.jpg", "mimeType": "image/jpeg", "buffer": jpeg(phantoms.phantom(907, 0, True))}
    page.set_input_files("input[type=file]", [picture])
    page.get_by_role("button", name="Grade").click()
    page.get_by_role("heading", name="Is this right?").wait_for(timeout=JOB_MS)
    assert page.locator("#grade .research").count() >= 1
    overlay = page.locator("img.overlay")
    assert not overlay.is_visible()
    page.get_by_label("Show what spoke for").check()
    overlay.evaluate("image => image.decode()")
    assert overlay.is_visible()
    page.get_by_label("Wrong", exact=True).check()
    page.get_by_label("If wrong: the right class").select_option(index=1)
    page.get_by_role("button", name="Send feedback").click()
    page.get_by_text("Thank you, recorded.").first.wait_for()


def _look_back(page) -> None:
    page.get_by_role("link", name="History").first.click()
    page.wait_for_url("**/history/")
    row = page.locator("tbody tr").first
    assert "wrong" in row.inner_text()
    row.locator("a", has_text="img").first.click()
    page.get_by_role("link", name="Timeline").click()
    timeline = page.locator(".timeline")
    timeline.wait_for()
    page.wait_for_load_state()
    text = timeline.inner_text()
    assert "graded by model" in text
    assert "grade is wrong" in text
    assert "(from feedback)" in text
