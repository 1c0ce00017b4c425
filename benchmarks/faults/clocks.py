"""Workers and beat on a machine whose clock is an hour off. The web process and the database keep the right time."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults._registry import NotHere, fault, must
from benchmarks.faults._stage import LEASE_S, Stage
from benchmarks.faults.workers import GRADE, IO, TRAIN

BEAT = "mediscan_site beat"
CELERY = [str(Path(sys.executable).parent / "celery"), "-A", "mediscan_site"]
AN_HOUR_S = 3600
OPTIONS = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
UNSEALED = """
from django.db import connection
from mediscan_site.core.models import AuditEvent, AuditSeal
print(AuditEvent.objects.count() - AuditSeal.objects.count())
"""


@contextlib.contextmanager
def another(stage: Stage, name: str, command: list[str], shift: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
    """One more process of the site, as on another machine: a clock that is `shift` seconds off and, where there are services, a
    data folder of its own."""
    folder = stage.site.folder / "another"
    folder.mkdir(exist_ok=True)
    env = {**stage.site.env, **(shifted(folder, shift) if shift else {}), "FAULT": name}
    if stage.services is not None:
        env["MEDISCAN_DATA_DIR"] = str(folder / "data")
    with (stage.site.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*CELERY, *command], cwd=stage.site.checkout, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        # What it started, too, where it could not end in time.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def shifted(folder: Path, shift: int) -> dict[str, str]:
    """The environment of a process, and of all that it starts, whose clock is so many seconds off. Not faketime: its version
    0.9.10 breaks the sleeps of Python 3.11."""
    if (compiler := shutil.which("cc")) is None:
        raise NotHere("a wrong clock needs a C compiler (Debian, Ubuntu: apt install build-essential)")
    library = folder / "clock.so"
    if not library.exists():
        source = str(Path(__file__).with_name("clock.c"))
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), source, "-ldl"], check=True)
    env = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_S": str(shift)}
    read = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(read, env={**os.environ, **env}, capture_output=True, text=True, check=True)
    must(abs(float(told.stdout) - time.time() - shift) < AN_HOUR_S / 2, f"the clock does not move: {told.stdout}")
    return env


@contextlib.contextmanager
def only_these(stage: Stage, shift: int) -> Iterator[None]:
    """All work is done by processes with a wrong clock while the block runs; the site's own stand still."""
    with contextlib.ExitStack() as stack:
        for words in (GRADE, IO, TRAIN, BEAT):
            stack.enter_context(stage.stopped(words))
        for queue in ("grade", "io", "train"):
            worker = ["worker", "-n", f"{queue}-off@%h", "-Q", queue, "--concurrency", "1", *OPTIONS]
            stack.enter_context(another(stage, queue, worker, shift))
        schedule = str(stage.site.folder / "another" / f"beat{shift}")
        stack.enter_context(another(stage, "beat", ["beat", "--pidfile=", "--schedule", schedule], shift))
        yield


def _off(stage: Stage, shift: int) -> str:
    boss = stage.boss
    before = stage.model_codes()
    with only_these(stage, shift):
        job, run = stage.bring_in(boss, 8), stage.train(boss, epochs=2)
        graded = stage.graded(boss)
        brought = boss.ended(f"imports/{job['id']}/")
        trained = boss.ended(f"training-runs/{run['id']}/")
        _sealed(stage)
    must(graded["status"] == trained["status"] == "succeeded", f"{graded['error']} {trained['error']}")
    must((brought["status"], brought["created"]) == ("succeeded", 8), f"{brought['status']} {brought['error']}")
    must(stage.model_codes() - before == {trained["model"]}, "more than one model")
    return f"workers and beat {shift:+} s off: a grade, an import and a training done once each, the trail sealed"


def _sealed(stage: Stage) -> None:
    """Beat's messages are taken although they are an hour old, or of the future."""
    ends = time.monotonic() + 60 * LEASE_S
    while int(stage.python(UNSEALED)) > 0:
        must(time.monotonic() < ends, "the audit trail is not sealed any more: periodic messages are thrown away")
        time.sleep(1)


@fault(
    "clock-ahead",
    "The clock of workers and beat is an hour ahead",
    "Work is done once; leases hold; the trail is sealed",
)
def clock_ahead(stage: Stage) -> str:
    return _off(stage, AN_HOUR_S)


@fault(
    "clock-behind",
    "The clock of workers and beat is an hour behind",
    "Work is done once; leases hold; the trail is sealed",
)
def clock_behind(stage: Stage) -> str:
    return _off(stage, -AN_HOUR_S)


@fault("clock-mixed", "The clock of one io worker of two is an hour ahead", "What beat sends is not thrown away by it")
def clock_mixed(stage: Stage) -> str:
    if stage.place == "machine":
        raise NotHere("two machines need services")
    worker = ["worker", "-n", "io-off@%h", "-Q", "io", "--concurrency", "1", *OPTIONS]
    with stage.stopped(IO), another(stage, "io", worker, AN_HOUR_S):
        doctor = stage.doctor
        upload = stage.upload(doctor)
        must(upload.ok, f"{upload.status} {upload.words}")
        _sealed(stage)
    return "beat at the right time, the only io worker an hour ahead: the trail is sealed"
