"""The worker's side of a training run: starts the training process, keeps the lease, and makes sure that it ends.

A process of its own, because PyTorch must not be loaded into a worker that lives on, and Celery's children may not use
multiprocessing. It dies with the worker (PR_SET_PDEATHSIG); the sweeper then gives the run to another one, which resumes. Where
several processes train together, it is their launcher, and they die with it.
"""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from mediscan_site.core import pausing, threads, work
from mediscan_site.core.models import WorkStatus
from models_registry.models import ModelVersion
from training import processes
from training.models import TrainingRun
from training.process import ending, launching
from training.process.ending import EXIT_STOPPED

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
GRACE_S: Final = 10.0
PR_SET_PDEATHSIG: Final = 1
EXECUTE, LAUNCH = "execute_run", "launch_run"
CANCELLED: Final = "Cancelled while it was running."


def run(pk: int) -> None:
    """Claim the run and have it executed. However that ends, the row says so, or is left to be resumed."""
    attempt = None if pausing.waits_for_room(TrainingRun, pk) else work.claim(TrainingRun, pk)
    if attempt is None:
        return
    ending.sweep_checkpoints()
    try:
        with work.keep_alive(TrainingRun, pk, attempt) as pulse:
            code = _execute(pk, attempt, pulse)
    except SoftTimeLimitExceeded:
        hours = settings.TRAINING_TIME_LIMIT_S / 3600
        error = f"This took longer than {hours:g} hours (TRAINING_TIME_LIMIT_S) and was stopped. Choose fewer epochs."
        ending.end(pk, attempt, status=WorkStatus.FAILED, error=error)
    except OSError as failure:
        log.exception("The training process of run %s could not be started", pk)
        ending.end(pk, attempt, status=WorkStatus.FAILED, error=work.describe_failure(failure))
    else:
        _conclude(pk, attempt, code)


def command(pk: int, attempt: int) -> list[str]:
    """What trains the run: one process, or the launcher of several."""
    manage = str(settings.BASE_DIR / "manage.py")
    several = processes.settle(pk, attempt).total > 1
    parent = ["--parent", str(os.getpid())]
    return [sys.executable, manage, LAUNCH if several else EXECUTE, str(pk), "--attempt", str(attempt), *parent]


def die_with(parent: int) -> None:
    """In the training process: have the kernel kill it when the worker dies; end at once if that has already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EXIT_STOPPED)


def _execute(pk: int, attempt: int, pulse: work.Pulse) -> int:
    """The exit status of the training process; negative: the signal that killed it."""
    environment = {**threads.BRIEFLY, **os.environ}
    child = subprocess.Popen(command(pk, attempt), env=environment)  # noqa: S603 -- our own interpreter and numbers
    try:
        while not pulse.should_stop():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(timeout=POLL_S)
        return _end(child)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def _end(child: "subprocess.Popen[bytes]") -> int:
    """Ask the process to stop, then insist."""
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(timeout=GRACE_S)
    child.kill()
    return child.wait()


def _conclude(pk: int, attempt: int, code: int) -> None:
    """Look at what the process left behind. What it wrote itself stands; a row it left running is ended or left to be resumed."""
    run = TrainingRun.objects.get(pk=pk)
    if run.attempt != attempt or run.status != WorkStatus.RUNNING:
        return
    made = ModelVersion.objects.filter(source=run.source).first()
    if made is not None:
        ending.end(pk, attempt, status=WorkStatus.SUCCEEDED, model=made, message=run.config["initialisation_note"])
    elif run.cancel_requested:
        ending.end(pk, attempt, status=WorkStatus.CANCELLED, message=CANCELLED)
    elif _lost(code) and attempt < settings.WORK_MAX_ATTEMPTS:
        log.warning("The training process of %s ended early (%s); it will be resumed", run.code, code)
    else:
        error = launching.unmet(processes.settled(run)) if code == launching.EXIT_UNMET else _failure(code)
        ending.end(pk, attempt, status=WorkStatus.FAILED, error=error)


def _lost(code: int) -> bool:
    """Killed, or told to stop by somebody else than us: no fault of the training, which can be resumed."""
    return code < 0 or code == EXIT_STOPPED


def _failure(code: int) -> str:
    if _lost(code):
        how = f"by signal {-code}" if code < 0 else "or stopped"
        return (
            f"The training process was killed ({how}) {settings.WORK_MAX_ATTEMPTS} times. Often memory has run out: "
            "choose a smaller image_size or batch_size, or look at the worker's log."
        )
    return f"The training process ended unexpectedly (exit status {code}). The worker's log has the details."
