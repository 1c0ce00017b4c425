"""A run that finds no room on the disk waits for it: it is queued again, says why, and no attempt is counted."""

import pytest
from django.db import OperationalError

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


@pytest.mark.parametrize("where", ["before its row is read", "in the middle", "when its end is written"])
def test_one_that_finds_no_database_waits_for_it_too(start, monkeypatch, where):
    run = start()
    attempt = work.claim(TrainingRun, run.pk)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the server has not answered for 9 seconds")

    monkeypatch.setattr(child.signal, "signal", lambda *_: None)
    if where == "before its row is read":
        monkeypatch.setattr(child.TrainingRun.objects, "select_related", away)
    elif where == "in the middle":
        monkeypatch.setattr(child.Training, "result", away)
    else:
        monkeypatch.setattr(child.Training, "result", full)
        monkeypatch.setattr(child, "is_full", lambda _error: False)
        monkeypatch.setattr(child.ending, "end", away)
    assert child.execute(run.pk, attempt) == child.EXIT_STOPPED
    runner._conclude(run.pk, attempt, child.EXIT_STOPPED)
    run.refresh_from_db()
    assert run.status == WorkStatus.RUNNING, "it falls silent, and is given out again"
