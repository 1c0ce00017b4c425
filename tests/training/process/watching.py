"""Runs that are worked on while a test looks: their rows and their processes."""

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from tests.conftest import PATIENCE_S
from training.models import TrainingRun
from training.process import runner

# A worker whose training process stops once it has saved a checkpoint of that many epochs: it is killed there, however
# fast it is and however long the test is kept waiting.
WORKER = """
import sys, django; django.setup()
from training.process import runner
usual, stands_still = runner.command, [sys.executable, "-c", sys.argv[2], sys.argv[3]]
runner.command = lambda pk, attempt: [*stands_still, *usual(pk, attempt)[2:]]
runner.run(int(sys.argv[1]))
"""
STANDS_STILL = """
import os, signal, sys, django; django.setup()
from django.core.management import execute_from_command_line
from training.process.recorder import Recorder
kept = Recorder.checkpoint
def keep(self, data):
    kept(self, data)
    if self.run.epochs.count() >= int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGSTOP)
Recorder.checkpoint = keep
execute_from_command_line(["manage.py", *sys.argv[2:]])
"""


def in_the_background(run: TrainingRun) -> threading.Thread:
    """Work on the run, as its worker does."""

    def work_on_it() -> None:
        try:
            runner.run(run.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work_on_it)
    worker.start()
    return worker


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("It did not happen in time.")


def row(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.get(pk=run.pk)


def state(pid: int) -> str:
    """The letter of the kernel: T for a stopped process, Z for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def alive(pid: int) -> bool:
    return state(pid) not in ("Z", "X")


def children(pid: int) -> list[int]:
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for text in found for word in text.split()]


def make_silent(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))


def killed_after(run: TrainingRun, epochs: int) -> None:
    """Work on the run, and kill the worker when that many epochs and a checkpoint are saved."""
    command = [sys.executable, "-c", WORKER, str(run.pk), STANDS_STILL, str(epochs)]
    worker = subprocess.Popen(command, cwd=settings.BASE_DIR)
    try:
        (training,) = wait_for(lambda: [pid for pid in children(worker.pid) if state(pid) == "T"])
    finally:
        worker.kill()
        worker.wait()
    wait_for(lambda: not alive(training))
