"""Runs that several processes train together: real ones, on this machine, killed for real."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from mediscan_site.core import sweeping
from models_registry.models import ModelVersion
from tests.conftest import PATIENCE_S
from tests.training.process.watching import alive, children, in_the_background, make_silent, row, wait_for
from training import processes
from training.engine.group import Group, PeerLost
from training.process import beating, launching, runner, shared
from training.process.beating import Beats
from training.process.ending import EXIT_STOPPED
from training.processes import Layout

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two(settings, monkeypatch):
    settings.TRAINING_PROCESSES = 2
    monkeypatch.setenv("TRAINING_PROCESSES", "2")
    # The tiny data set has six scans to learn from.
    monkeypatch.setattr(processes, "LEAST_SHARD", 3)


def rank(pid: int) -> str:
    names = dict(line.partition("=")[::2] for line in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return names.get("RANK", "")


def of_rank(number: int) -> list[int]:
    launchers = children(os.getpid())
    return [pid for launcher in launchers for pid in children(launcher) if rank(pid) == str(number)]


def test_a_run_that_lost_one_of_two_processes_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    tiny, two, capsys
):
    run = tiny(epochs=12, batch_size=8)
    worker = in_the_background(run)
    try:
        wait_for(lambda: row(run).checkpoint)
        (second,) = of_rank(1)
        (first,) = of_rank(0)
        os.kill(second, signal.SIGKILL)
    finally:
        worker.join(timeout=PATIENCE_S)
    assert not alive(first)
    assert (row(run).status, row(run).processes, row(run).error) == ("running", 2, "")
    make_silent(run)
    sweeping.sweep()
    runner.run(run.pk)
    done = row(run)
    assert (done.status, done.error, done.attempt) == ("succeeded", "", 2)
    assert (done.environment["processes"], done.environment["backend"]) == (2, "gloo")
    assert list(run.epochs.values_list("epoch", flat=True)) == list(range(1, 13))
    assert ModelVersion.objects.count() == 1
    call_command("reproduce", run.code)


@pytest.mark.parametrize(
    ("codes", "status"),
    [({1: -9, 0: EXIT_STOPPED}, EXIT_STOPPED), ({0: -15, 1: 70}, 70), ({0: 1}, 1), ({1: EXIT_STOPPED}, EXIT_STOPPED)],
)
def test_what_ended_first_says_whether_a_run_may_be_resumed(codes, status):
    assert launching.status_of(codes) == status


@pytest.mark.parametrize(
    ("asked", "batch", "scans", "found"),
    [
        (Layout(1, 2), 32, 500, Layout(1, 2)),
        (Layout(1, 8), 32, 500, Layout(1, 4)),
        (Layout(1, 2), 8, 500, Layout(1, 1)),
        (Layout(1, 2), 32, 12, Layout(1, 1)),
        (Layout(2, 4), 32, 500, Layout(2, 2)),
        (Layout(4, 4), 24, 500, Layout(1, 3)),
    ],
)
def test_a_run_has_no_more_processes_than_its_batches_have_scans_for(settings, asked, batch, scans, found):
    settings.TRAINING_HOSTS, settings.TRAINING_PROCESSES = asked.hosts, asked.each
    assert processes.possible({"batch_size": batch}, scans) == found


def test_a_resumed_run_keeps_its_processes_whatever_the_site_says_now(settings, tiny):
    run = tiny()
    run.processes, run.checkpoint_id = 3, 1
    assert processes.of(run) == Layout(1, 3)
    settings.TRAINING_HOSTS = 3
    assert processes.of(run) == Layout(3, 1)


def test_one_process_is_started_as_ever_and_several_by_their_launcher(tiny, settings):
    run = tiny()
    assert "execute_run" in runner.command(run.pk, 0)
    settings.TRAINING_PROCESSES = 2
    run = row(run)
    run.config["batch_size"] = 32
    run.snapshot.class_counts = {"one": {"train": 500}}
    run.snapshot.save()
    run.save()
    assert "launch_run" in runner.command(run.pk, 0)


class Told(dict):
    """A store of small facts in this process alone."""

    set = dict.__setitem__

    def get(self, name):
        return self[name] if isinstance(self[name], bytes) else self[name].encode()

    def check(self, names):
        return names[0] in self


def test_a_process_that_says_nothing_is_missed_and_one_that_has_finished_is_not(monkeypatch):
    store = Told({"beat/1": b"1", "beat/2": beating.OVER})
    beats = Beats(Group(rank=0, size=3, store=store), 60)
    assert beats._silent(0.0) == []
    assert beats._silent(59.0) == []
    assert beats._silent(61.0) == [1]
    store["beat/1"] = b"2"
    assert beats._silent(200.0) == []


@pytest.mark.parametrize("made", [shared.array, shared.sealed])
def test_processes_of_a_host_read_a_part_of_the_scans_each_and_have_all_of_them(made):
    store = Told()
    groups = [Group(rank=rank, size=2, local_rank=rank, local_size=2, store=store) for rank in (0, 1)]
    pixels = [made(group, "train", (5, 4, 4)) for group in groups]
    for group, own in zip(groups, pixels, strict=True):
        put = own.put if made is shared.sealed else own.__setitem__
        for position in shared.own(group, 5):
            put(position, np.full((4, 4), position, dtype=np.uint8))
    for own in pixels:
        assert own[np.arange(5)][:, 0, 0].tolist() == [0, 1, 2, 3, 4]


class Away:
    """A store whose host is gone."""

    def check(self, names):
        raise RuntimeError("Connection reset by peer")


@pytest.mark.parametrize("store", [Away(), Told({"host/0/train": "/proc/4194999/fd/3"})], ids=["store", "process"])
def test_a_process_that_waits_for_pixels_of_one_that_is_gone_has_lost_a_peer_and_did_not_fail(store):
    group = Group(rank=1, size=2, local_rank=1, local_size=2, store=store)
    with pytest.raises(PeerLost):
        shared.array(group, "train", (5, 4, 4))


def test_what_a_process_alone_reads_is_its_own():
    group = Group()
    assert list(shared.own(group, 3)) == [0, 1, 2]
    assert shared.array(group, "train", (2, 4, 4)).flags.owndata
