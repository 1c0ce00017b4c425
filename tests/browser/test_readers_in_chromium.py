"""A disagreement settled with the keyboard, and the pages of readers without a fault of the browser."""

import os
from pathlib import Path

from django.urls import reverse

from images.models import Image
from labeling.models import Label
from labeling.reading.gold import mark_gold
from labeling.reading.labels import label_scan, mark_ungradable
from labeling.reading.reviews import review_scan
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, signed_in
from tests.conftest import member

SHOTS = os.environ.get("MEDISCAN_TEST_SHOTS", "")


def shot(page, name: str) -> None:
    if not SHOTS:
        return
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=Path(SHOTS) / f"{name}-{theme}.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=Path(SHOTS) / f"{name}-phone.png", full_page=True)
    page.set_viewport_size(DESK)


def test_a_disagreement_is_settled_with_the_keyboard(
    windows, live_server, project, author, colleague, admin, make_scan
):
    third = member(project, admin, "third")
    project.reads_wanted = 2
    project.save()
    normal, opacity = project.class_rows.all()
    scans = [make_scan(seed=seed, opacity=seed % 2 == 1, patient=f"p{seed}") for seed in range(12)]
    for number, scan in enumerate(scans):
        said = (normal, opacity)[number % 2]
        label_scan(actor=author, image=scan, label_class=said, comment="Left base is dense, the border is lost.")
        if number == 11:
            mark_ungradable(actor=colleague, image=scan, reason="poor image quality")
        else:
            label_scan(actor=colleague, image=scan, label_class=opacity if number in (0, 10) else said)
    known = make_scan(seed=50, label="OPACITY", actor=admin)
    review_scan(actor=colleague, image=known, status="approved")
    mark_gold(actor=admin, image=known)
    label_scan(actor=author, image=known, label_class=opacity)

    watched = Watched(signed_in(windows, live_server, third, DESK))
    page = watched.page
    page.goto(f"{live_server.url}{reverse('adjudication', args=[project.pk])}")
    page.get_by_text("Reader A").wait_for()
    shot(page, "adjudicate")
    page.keyboard.press("2")
    page.keyboard.type("Seen on the lateral view as well")
    assert not Label.objects.filter(source="adjudication").exists()
    page.keyboard.press("Tab")
    page.keyboard.press("2")
    page.get_by_text(f"Settled: {scans[0].code}.").first.wait_for()
    assert Image.objects.get(pk=scans[0].pk).label_class == opacity
    assert Label.objects.get(source="adjudication").comment == "Seen on the lateral view as well"

    manager = Watched(signed_in(windows, live_server, admin, DESK))
    for name, words in (("agreement", "Fleiss' kappa"), ("readers", "Time of a read"), ("gold", known.code)):
        manager.page.goto(f"{live_server.url}{reverse(name, args=[project.pk])}")
        manager.page.get_by_text(words).first.wait_for()
        if name == "agreement":
            manager.page.locator(".pair-of-readers summary").first.click()
        shot(manager.page, name)
    assert watched.faults + manager.faults == []
