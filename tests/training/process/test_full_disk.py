"""A run that finds no room on the disk waits for it: it is queued again, says why, and no attempt is counted."""

import pytest

from mediscan_site.core import pausing, work
from mediscan_site.core.errors import StorageFull
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.storage import room
from training.models import TrainingRun
from training.process import child, runner

pytestmark = pytest.mark.django_db


def full(*_: object) -> None:
    raise StorageFull


def test_a_checkpoint_without_room_gives_the_run_back(start, monkeypatch):
    run = start()
    attempt = work.claim(TrainingRun, run.pk)
    monkeypatch.setattr(child.Training, "result", full)
    monkeypatch.setattr(child.signal, "signal", lambda *_: None)
    assert child.execute(run.pk, attempt) == child.EXIT_STOPPED
    runner._conclude(run.pk, attempt, child.EXIT_STOPPED)
    run.refresh_from_db()
    assert (run.status, run.paused, run.error, run.attempt) == ("queued", True, pausing.WAITS_FOR_ROOM, 0)


def test_it_is_not_begun_again_while_there_is_none(start, monkeypatch, client, admin):
    run = start()
    with monkeypatch.context() as crowded:
        crowded.setattr(room, "is_tight", lambda: True)
        runner.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.paused, run.attempt) == ("queued", True, 0)
    client.force_login(admin)
    assert "goes on by itself" in client.get(f"/runs/{run.pk}/").content.decode()
    work.claim(TrainingRun, run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == (WorkStatus.RUNNING, "")
