"""Two hosts that train one run: here two addresses of one machine, each with its own launcher."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from mediscan_site import env as site_env
from mediscan_site.core.database import ago
from tests.training.process.watching import row
from training import processes
from training.management.commands import join_training
from training.models import TrainingRun
from training.process import launching, runner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hosts(settings, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    settings.TRAINING_HOSTS, settings.TRAINING_RENDEZVOUS = 2, place
    for name, value in {"TRAINING_HOSTS": "2", "TRAINING_RENDEZVOUS": place, "GLOO_SOCKET_IFNAME": "lo"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, "LEAST_SHARD", 3)
    return place


def test_a_host_that_joins_trains_with_the_one_that_has_the_run(tiny, hosts):
    run = tiny(batch_size=8)
    joining = [sys.executable, str(site.BASE_DIR / "manage.py"), "join_training", "--once"]
    other = subprocess.Popen(joining, env={**os.environ, "TRAINING_HOST_RANK": "1"})
    try:
        runner.run(run.pk)
        assert other.wait(timeout=60) == 0
    finally:
        other.kill()
    done = row(run)
    assert (done.status, done.error) == ("succeeded", "")
    assert (done.environment["processes"], done.environment["hosts"]) == (2, 2)


def test_hosts_that_do_not_meet_end_the_run_with_what_to_do(tiny, hosts, monkeypatch):
    run = tiny(batch_size=8)
    monkeypatch.setattr(runner, "_execute", lambda *_: launching.EXIT_UNMET)
    runner.run(run.pk)
    assert row(run).status == "failed"
    assert f"did not meet at {hosts}" in row(run).error
    assert "manage.py join_training" in row(run).error


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_host_whose_clock_is_wrong_sees_the_runs_to_join_all_the_same(running, settings, monkeypatch, hours):
    settings.TRAINING_HOSTS = 2
    TrainingRun.objects.update(processes=2, heartbeat_at=Now())
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))
    assert join_training._waiting(set()) == running
    TrainingRun.objects.update(heartbeat_at=ago(timedelta(seconds=2 * settings.WORK_LEASE_S)))
    assert join_training._waiting(set()) is None


@pytest.mark.parametrize(("hosts", "rank"), [(1, 0), (2, 0), (2, 2)])
def test_a_host_that_does_not_know_which_it_is_does_not_join(settings, hosts, rank):
    settings.TRAINING_HOSTS, settings.TRAINING_HOST_RANK = hosts, rank
    with pytest.raises(CommandError, match="The train worker is host 0"):
        call_command("join_training")


@pytest.mark.parametrize("given", ["10.0.0.5", ":29500", "host:0", "host:99999", "host:port"])
def test_a_meeting_place_is_a_host_and_a_port(given, monkeypatch):
    import environ

    monkeypatch.setenv("PLACE", given)
    with pytest.raises(site_env.ImproperlyConfigured, match="must be host:port"):
        site_env.meeting_place(environ.Env(), "PLACE", needed=False)
