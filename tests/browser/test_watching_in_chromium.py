"""The pages of acceptance tests, watching and blind reads with all they can show: clean, drawn, and as wide as the screen."""

# ruff: noqa: F811
from datetime import timedelta

import pytest
from django.urls import reverse

from images.models import Project
from models_registry.acceptance import drawing, services
from models_registry.models import Alarm, BlindRead, Grade, Watch
from models_registry.watch import alarms, worker
from tests.browser.conftest import Watched
from tests.browser.test_every_page_in_chromium import DESK, TABLET, signed_in
from tests.models_registry.acceptance.conftest import AWAY, away, learned, run_all  # noqa: F401
from tests.models_registry.watch.conftest import graded, watched  # noqa: F401
from tests.models_registry.watch.test_streams import foreign, usual


@pytest.fixture
def told(deployed, graded, admin, author, project):
    """A version with three weeks of grades at two places, an alarm, blind reads and a decided test."""
    rows = graded(usual(63), site="")
    rows += graded(foreign(9), site="Sfedcba9876543210", decision="refer", spread=0.2, confidence=0.6)
    for place, row in enumerate(rows):
        at = row.finished_at - timedelta(days=(len(rows) - place) // 3)
        site = row.site or "S0123456789abcdef"
        Grade.objects.filter(pk=row.pk).update(finished_at=at, site=site)
    reads = [BlindRead(project=project, grade=row, share=0.2) for row in rows[:12]]
    for read in reads[:10]:
        read.reader, read.read_at, read.read_class = admin, read.created_at, project.class_rows.first()
    BlindRead.objects.bulk_create(reads)
    Project.objects.filter(pk=project.pk).update(blind_read_share=0.2, on_alarm="refer")
    project.refresh_from_db()
    deployed.project.refresh_from_db()
    look = Watch.objects.create(project=project, model=deployed)
    worker.run_watch(look.pk)
    assert Alarm.objects.count() == 1
    return deployed


def visit(windows, live_server, person, address: str, folder, name: str):
    for size in (DESK, TABLET):
        seen = Watched(signed_in(windows, live_server, person, size))
        seen.page.goto(f"{live_server.url}{address}")
        seen.page.screenshot(path=folder / f"{name}{size['width']}.png", full_page=True)
        assert not seen.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert seen.faults == []
    return seen.page


def test_watching_shows_its_charts_and_its_alarm(windows, live_server, admin, told, tmp_path):
    page = visit(windows, live_server, admin, reverse("watching", args=[told.pk]), tmp_path, "watching")
    assert page.locator("svg.chart polyline.line").count() == 8
    page.get_by_label("go on").check()
    page.get_by_label("Because").fill("A new detector, our readings agree.")
    page.get_by_role("button", name="Record the decision").click()
    page.get_by_text("A new detector, our readings agree.").wait_for()
    assert not alarms.open_alarms().exists()


def test_a_doctor_reads_blind(windows, live_server, colleague, told, project, tmp_path):
    address = reverse("blind_reads", args=[project.pk])
    page = visit(windows, live_server, colleague, address, tmp_path, "reads")
    assert page.get_by_role("button", name="Take the next one").count() == 1


def test_an_acceptance_test_from_its_begin_to_its_decision(
    windows,
    live_server,
    admin,
    learned,
    away,
    run_all,
    project,
    tmp_path,
):
    test = services.begin_test(actor=admin, model=learned, institution=AWAY, wanted=10)
    away(2, read=False, first=4000)
    away(12)
    visit(windows, live_server, admin, reverse("acceptance", args=[test.pk]), tmp_path, "begun")
    drawing.draw(test)
    run_all()
    visit(windows, live_server, admin, reverse("acceptance_list", args=[project.pk]), tmp_path, "tests")
    page = visit(windows, live_server, admin, reverse("acceptance", args=[test.pk]), tmp_path, "complete")
    page.get_by_label("accept: it answers there").check()
    page.get_by_label("Because").fill("It reads as well here as at home.")
    page.get_by_role("button", name="Record the decision").click()
    page.get_by_text("It reads as well here as at home.").wait_for()
