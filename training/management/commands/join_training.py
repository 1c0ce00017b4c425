"""`manage.py join_training`: on each host of TRAINING_HOSTS but the first, take part in the runs that the first one trains."""

import logging
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, close_old_connections

from mediscan_site.core.database import ago
from mediscan_site.core.models import WorkStatus
from training import processes
from training.models import TrainingRun
from training.process import runner

LOOK_S: Final = 2.0
WRONG_USE: Final = 2

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Take part in trainings as one of several hosts: TRAINING_HOSTS, TRAINING_HOST_RANK (1 and up; the train worker is host 0) "
        "and TRAINING_RENDEZVOUS say which. Runs until it is stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end after one run")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        host = settings.TRAINING_HOST_RANK
        if not 1 <= host < settings.TRAINING_HOSTS:
            last = settings.TRAINING_HOSTS - 1
            raise CommandError(
                f"TRAINING_HOST_RANK is {host}; with TRAINING_HOSTS={last + 1} the hosts that join are 1 to {last}. The train "
                "worker is host 0.",
                returncode=WRONG_USE,
            )
        joined: set[tuple[int, int]] = set()
        while not (once and joined):
            if (run := _waiting(joined)) is None:
                time.sleep(LOOK_S)
                continue
            joined.add((run.pk, run.attempt))
            log.info("%s: host %s joins attempt %s", run.code, host, run.attempt)
            self._join(run, host)

    def _join(self, run: TrainingRun, host: int) -> None:
        """In a process of its own: PyTorch must not be loaded into one that lives on."""
        words = [str(run.pk), "--attempt", str(run.attempt), "--parent", str(os.getpid()), "--host", str(host)]
        manage = str(settings.BASE_DIR / "manage.py")
        done = subprocess.run([sys.executable, manage, runner.LAUNCH, *words], check=False)  # noqa: S603 -- our own words
        log.info("%s: host %s leaves attempt %s (exit status %s)", run.code, host, run.attempt, done.returncode)


def _waiting(joined: set[tuple[int, int]]) -> TrainingRun | None:
    """An attempt at work that this host belongs to and has not joined yet."""
    close_old_connections()
    alive = ago(timedelta(seconds=settings.WORK_LEASE_S))
    running = TrainingRun.objects.filter(status=WorkStatus.RUNNING, processes__gt=1, heartbeat_at__gt=alive)
    try:
        found = [run for run in running.order_by("pk") if (run.pk, run.attempt) not in joined]
    except OperationalError as error:
        log.warning("The database does not answer, it is asked again: %s", error)
        return None
    return next((run for run in found if processes.settled(run).hosts == settings.TRAINING_HOSTS), None)
