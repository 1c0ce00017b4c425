"""When backups are made by the clock, and who is warned when there is none."""

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mediscan_site.core import tasks, waking
from mediscan_site.core.backup import services
from mediscan_site.core.backup.selectors import notice
from mediscan_site.core.models import Backup
from tests.conftest import PATIENCE_S

pytestmark = pytest.mark.django_db
# A Wednesday.
NOON = datetime.fromisoformat("2026-03-04T12:00:00+00:00")
Row = Callable[..., Backup]


@pytest.fixture(autouse=True)
def _place(settings, tmp_path):
    settings.BACKUP_DIR, settings.BACKUP_HOUR = str(tmp_path), 1


@pytest.fixture
def row():
    def make(kind: str, hours_ago: float, status: str = "succeeded", now: datetime = NOON, **columns) -> Backup:
        at = now - timedelta(hours=hours_ago)
        verified = at if status == "succeeded" else None
        return Backup.objects.create(kind=kind, status=status, created_at=at, verified_at=verified, **columns)

    return make


def test_the_first_one_is_made_at_once_and_is_a_weekly_one():
    assert services.due(NOON) == "weekly"


def test_without_a_folder_none_is_due(settings):
    settings.BACKUP_DIR = ""
    assert services.due(NOON) is None


def test_a_daily_one_is_due_once_a_day_after_its_hour(row):
    row("weekly", 48)
    assert services.due(NOON) == "daily"
    row("daily", 11.5)
    # Half past midnight today: still of yesterday's day.
    assert services.due(NOON) == "daily"
    row("daily", 10.9)
    assert services.due(NOON) is None
    assert services.due(NOON + timedelta(hours=12.9)) is None
    assert services.due(NOON + timedelta(hours=13.1)) == "daily"


def test_a_weekly_one_is_due_from_sunday_on_and_is_that_days_too(row):
    row("weekly", 5 * 24)
    assert services.due(NOON) == "weekly"
    row("weekly", 1)
    assert services.due(NOON) is None


def test_a_manual_one_takes_no_turn(row):
    row("weekly", 48)
    row("manual", 1)
    assert services.due(NOON) == "daily"


@pytest.mark.parametrize(
    ("status", "hours", "wanted"), [("running", 5, None), ("failed", 0.5, None), ("failed", 2, "daily")]
)
def test_one_under_way_is_awaited_and_a_failed_one_tried_again_after_an_hour(row, status, hours, wanted):
    row("weekly", 48)
    row("daily", hours, status)
    assert services.due(NOON) == wanted


def test_the_clock_makes_a_row_and_wakes_a_worker(monkeypatch, django_capture_on_commit_callbacks):
    woken: list[int] = []
    monkeypatch.setattr(waking, "send_now", lambda task, pk: woken.append(pk))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.request_backup()
        tasks.request_backup()
    assert woken == [Backup.objects.get().pk]
    assert Backup.objects.get().kind == "weekly"


def test_an_administrator_is_told_while_there_is_no_young_verified_backup(row, settings):
    now = timezone.now()
    settings_dir, settings.BACKUP_DIR = settings.BACKUP_DIR, ""
    assert "BACKUP_DIR is not set" in notice()
    settings.BACKUP_DIR = settings_dir
    assert notice().startswith("There is no verified backup yet. The first one")
    row("daily", 30, now=now)
    assert "more than a day ago" in notice()
    row("daily", 1, "failed", now=now, error="BACKUP_DIR is full.")
    assert notice().endswith("The last attempt failed: BACKUP_DIR is full.")
    row("daily", 0.5, now=now)
    assert notice() == ""


def test_a_failure_is_told_at_once_although_yesterdays_backup_is_whole(row):
    now = timezone.now()
    row("daily", 20, now=now)
    row("daily", 0.2, "failed", now=now, error="BACKUP_DIR is full.")
    assert notice().endswith("The last attempt failed: BACKUP_DIR is full.")
    row("manual", 0.1, now=now)
    assert notice() == ""


def test_only_administrators_see_it_on_the_dashboard(client, admin, author):
    for user, seen in ((admin, True), (author, False)):
        client.force_login(user)
        assert (b"There is no verified backup yet" in client.get("/").content) is seen


def test_monitoring_reads_its_age(client, row, settings):
    settings.SCRAPE_TOKEN = "scrape"

    def age() -> float:
        text = client.get("/metrics", headers={"authorization": "Bearer scrape"}).content.decode()
        return float(re.findall(r"^mediscan_backup_age_seconds (\S+)$", text, re.MULTILINE)[0])

    assert age() == math.inf
    row("daily", 2, now=timezone.now())
    assert age() == pytest.approx(7200, abs=PATIENCE_S)
