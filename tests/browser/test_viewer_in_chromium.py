"""The viewer: its arithmetic is numpy's, and what a reader does with it does what it says."""

import io

import numpy as np
import pytest
from django.urls import reverse

from images.services import ScanFacts, store_scan
from mediscan_site.core.models import AuditEvent
from mediscan_site.core.services import set_preferences
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from tests.images.decoding.dicoms import dicom

PHONE = {"width": 390, "height": 844}
VALUES = np.random.default_rng(3).integers(0, 4096, (150, 200)).astype(np.uint16)
CT = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-1024", "BitsStored": 12, "WindowCenter": "40"}

# The modules by themselves, with numbers of the test's.
ARITHMETIC = """async ([root, values, columns, window]) => {
  const [geometry, sampling, windows, measure] = await Promise.all(
    ["geometry", "sampling", "windows", "measure"].map((name) => import(`${root}${name}.js`)));
  const facts = { slope: 0.5, intercept: -100, window: [window.centre - window.width / 2, window.centre + window.width / 2] };
  const backwards = { ...facts, window: facts.window.toReversed() };
  const data = Uint16Array.from(values);
  const rows = data.length / columns;
  const size = { width: 200, height: 100 };
  const pane = { width: 400, height: 300 };
  const fit = geometry.fitted(size, pane);
  const large = geometry.zoomed(fit, size, pane, 4, { x: 100, y: 150 });
  const far = geometry.panned(large, size, pane, 5000, -5000);
  const under = geometry.toPicture(large, pane, { x: 100, y: 150 });
  const turned = { ...large, turn: 3, mirror: true };
  const back = geometry.toPicture(turned, pane, geometry.toScreen(turned, pane, { x: 12, y: 34 }));
  const step = { origin: { x: 0, y: 0 }, right: { x: 1, y: 0 }, down: { x: 0, y: 1 }, width: columns, height: rows };
  const aside = { origin: { x: 0, y: rows }, right: { x: 0, y: -1 }, down: { x: 1, y: 0 }, width: rows, height: columns };
  const level = { data, width: columns, height: rows };
  const spacing = { row: 0.5, column: 0.25, at: "detector", source: "ImagerPixelSpacing" };
  const picture = { size: { width: 100, height: 200 }, facts: { file_columns: 100, file_rows: 100, regions: [], spacing } };
  return {
    levels: [...windows.levels(facts, window)], inverted: [...windows.levels(backwards, window)],
    same: [...sampling.sampled(level, step, new Uint16Array(data.length))],
    turned: [...sampling.sampled(level, aside, new Uint16Array(data.length))],
    half: [...sampling.halved(level).data],
    fit: fit.scale, under, before: geometry.toPicture(fit, pane, { x: 100, y: 150 }), back,
    edges: [geometry.toScreen(far, pane, { x: 0, y: 0 }).x, geometry.toScreen(far, pane, { x: 200, y: 100 }).y],
    least: geometry.zoomed(fit, size, pane, 0.01, { x: 0, y: 0 }).scale,
    across: measure.length(picture, [{ x: 0, y: 0 }, { x: 40, y: 0 }]),
    down: measure.length(picture, [{ x: 0, y: 0 }, { x: 0, y: 40 }]),
    unknown: measure.length({ ...picture, facts: { ...picture.facts, spacing: null } }, [{ x: 0, y: 0 }, { x: 0, y: 40 }]),
    angle: measure.angle(picture, [{ x: 40, y: 0 }, { x: 0, y: 0 }, { x: 0, y: 40 }]).value,
  };
}"""


@pytest.fixture
def ct(transactional_db, project, author):
    def take(name: str, values: np.ndarray = VALUES, **tags):
        data = dicom(values, **(CT | {"WindowWidth": "400"} | tags))
        return store_scan(actor=author, project=project, source=io.BytesIO(data), file_name=name, facts=ScanFacts())[0]

    return take


def opened(windows, live_server, user, scan, **options) -> Watched:
    watched = Watched(signed_in(windows, live_server, user, options.pop("size", DESK), **options))
    watched.page.goto(f"{live_server.url}{reverse('scan', args=[scan.pk])}")
    watched.page.wait_for_selector("[data-painted]")
    return watched


def said(page) -> str:
    return page.locator("[data-said-window]").inner_text()


def test_the_arithmetic_of_the_viewer_is_that_of_numpy(windows, live_server, author, ct):
    page = opened(windows, live_server, author, ct("a.dcm")).page
    window = {"centre": 300.0, "width": 900.0}
    found = page.evaluate(ARITHMETIC, ["/static/js/viewer/", VALUES.ravel().tolist(), VALUES.shape[1], window])
    values = np.arange(65_536) * 0.5 - 100
    grey = np.rint(np.clip((values - (300 - 450)) / 900, 0, 1) * 255)
    assert found["levels"] == grey.tolist()
    assert found["inverted"] == (255 - grey).tolist(), "as the decoder does it of MONOCHROME1"
    assert found["same"] == VALUES.ravel().tolist()
    assert found["turned"] == np.rot90(VALUES, -1).ravel().tolist()
    blocks = VALUES.reshape(75, 2, 100, 2).astype(int).sum(axis=(1, 3))
    assert found["half"] == ((blocks + 2) >> 2).ravel().tolist()
    assert found["fit"] == 2 and found["least"] == 1
    assert found["under"] == pytest.approx(found["before"]), "what is under the pointer stays there"
    assert found["back"] == pytest.approx({"x": 12, "y": 34})
    assert found["edges"] == pytest.approx([0, 300]), "no edge comes away from its side"
    assert (found["across"]["value"], found["across"]["unit"]) == (10, "mm")
    # 200 rows of square pixels stand for 100 rows of the file.
    assert (found["down"]["value"], found["down"]["at"]) == (10, "detector")
    assert (found["unknown"]["value"], found["unknown"]["unit"]) == (20, "px")
    assert found["angle"] == pytest.approx(90)


def test_a_window_follows_the_hand_and_the_view_goes_on_to_the_next_scan(windows, live_server, author, ct):
    first, second = ct("a.dcm"), ct("b.dcm", VALUES[::-1])
    watched = opened(windows, live_server, author, first)
    page = watched.page
    box = page.locator("[data-viewer] [data-place]").bounding_box()
    assert box["width"] * box["height"] >= 0.7 * DESK["width"] * DESK["height"]
    assert said(page).startswith("Width 399, centre 39.5")
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 260, steps=4)
    page.mouse.up()
    page.locator("[data-said-window]", has_not_text="Width 399").wait_for()
    page.get_by_label("Window", exact=True).select_option("CT lung")
    page.keyboard.press("i")
    page.keyboard.press("h")
    page.locator(".viewer-badges", has_text="Mirrored: left is right · Inverted").wait_for()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    assert "NORMAL" in keys.inner_text() and "Invert" in keys.inner_text()
    page.keyboard.press("Escape")
    page.goto(f"{live_server.url}{reverse('scan', args=[second.pk])}")
    page.wait_for_selector("[data-painted]")
    assert said(page).startswith("Width 1500, centre -600")
    assert page.locator(".viewer-badges").inner_text() == "Inverted", "a mirrored picture is none on the next scan"
    opens = AuditEvent.objects.filter(action="scan.open")
    assert sorted(opens.values_list("object_id", flat=True)) == sorted([str(first.pk), str(second.pk)])
    assert watched.faults == []


def test_letters_can_be_switched_off_and_a_finger_scrolls_the_page(windows, live_server, author, ct):
    set_preferences(actor=author, values={"letter_keys": False})
    watched = opened(windows, live_server, author, ct("a.dcm"), size=PHONE, has_touch=True)
    page = watched.page
    place = page.locator("[data-viewer] [data-place]")
    way = "element => getComputedStyle(element).touchAction"
    assert place.evaluate(way) == "pan-x pan-y"
    page.keyboard.press("i")
    assert page.locator("[data-do=invert]").get_attribute("aria-pressed") == "false"
    place.focus()
    page.keyboard.press("i")
    page.locator("[data-do=invert][aria-pressed=true]").wait_for()
    page.keyboard.press("+")
    page.locator("[data-place].grabs").wait_for()
    assert place.evaluate(way) == "none"
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert watched.faults == []
