"""How many threads a training takes."""

import os

import pytest

from tests.training.process.test_parts import run_of
from training.process import cores


@pytest.mark.parametrize(
    ("usual", "busy", "of", "threads"),
    [(2, 0.0, 2, 2), (2, 0.3, 2, 2), (2, 1.0, 2, 1), (2, 2.0, 2, 1), (8, 3.4, 16, 8), (8, 10.0, 16, 6), (4, 0.0, 2, 2)],
)
def test_a_training_takes_the_cores_that_others_leave(usual, busy, of, threads):
    assert cores.threads(usual, busy=busy, cores=of) == threads


def test_what_others_do_is_read_from_the_system(tmp_path, monkeypatch):
    ticks, source = os.sysconf("SC_CLK_TCK"), tmp_path / "stat"

    def stat(busy_s: float) -> None:
        source.write_text(f"cpu {int(busy_s * ticks)} 0 0 99999 5 0 0 0 0 0\ncpu0 1 2 3\n")

    clock = iter([100.0, 102.0])
    monkeypatch.setattr(cores.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(cores.time, "sleep", lambda seconds: stat(1003.0))
    stat(1000.0)
    assert cores.busy_cores(2.0, source) == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("content", [None, "", "cpu", "cpu one two three four five six seven eight"])
def test_a_system_that_does_not_tell_counts_as_idle(tmp_path, content):
    if content is not None:
        (tmp_path / "stat").write_text(content)
    assert cores.busy_cores(0.0, tmp_path / "stat") == 0.0


@pytest.mark.django_db
def test_a_run_goes_on_with_the_threads_it_began_with(project, admin, bare_snapshot, monkeypatch, settings):
    monkeypatch.setattr(cores, "busy_cores", lambda: 1.0)
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 4)
    settings.TRAINING_SUBPROCESS_THREADS = 0
    run = run_of(project, admin, bare_snapshot(), environment={"threads": 2})
    assert cores.of(run, 4) == 3
    run.checkpoint_id = 1
    assert cores.of(run, 4) == 2
    settings.TRAINING_SUBPROCESS_THREADS = 1
    assert cores.of(run, 4) == 1
