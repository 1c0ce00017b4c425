"""Workers and beat on a machine whose clock is an hour off. The web process and the database keep the right time."""

import contextlib
import shutil
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
OPTIONS = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
UNSEALED = """
from django.db import connection
from mediscan_site.core.models import AuditEvent, AuditSeal
print(AuditEvent.objects.count() - AuditSeal.objects.count())
"""


@contextlib.contextmanager
def another(stage: Stage, name: str, command: list[str], shift: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """One more process of the site, as on another machine: a clock that is off by `shift` and, where there are services, a data
    folder of its own."""
    folder = stage.site.folder / "another"
    folder.mkdir(exist_ok=True)
    ahead = ["faketime", "-m", "-f", shift] if shift else []
    env = {**stage.site.env, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAULT": name}
    if stage.services is not None:
        env["MEDISCAN_DATA_DIR"] = str(folder / "data")
    with (stage.site.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*ahead, *CELERY, *command],
            cwd=stage.site.checkout,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


@contextlib.contextmanager
def only_these(stage: Stage, shift: str) -> Iterator[None]:
    """All work is done by processes with a wrong clock while the block runs; the site's own stand still."""
    if shutil.which("faketime") is None:
        raise NotHere("faketime is not installed (Debian, Ubuntu: apt install faketime)")
    with contextlib.ExitStack() as stack:
        for words in (GRADE, IO, TRAIN, BEAT):
            stack.enter_context(stage.stopped(words))
        for queue in ("grade", "io", "train"):
            worker = ["worker", "-n", f"{queue}-off@%h", "-Q", queue, "--concurrency", "1", *OPTIONS]
            stack.enter_context(another(stage, queue, worker, shift))
        schedule = str(stage.site.folder / "another" / f"beat{shift}")
        stack.enter_context(another(stage, "beat", ["beat", "--pidfile=", "--schedule", schedule], shift))
        yield


def _off(stage: Stage, shift: str) -> str:
    boss = stage.boss
    before = stage.model_codes()
    with only_these(stage, shift):
        grade, job, run = stage.grade(boss), stage.bring_in(boss, 8), stage.train(boss, epochs=2)
        graded = boss.ended(f"grades/{grade['id']}/")
        brought = boss.ended(f"imports/{job['id']}/")
        trained = boss.ended(f"training-runs/{run['id']}/")
        _sealed(stage)
    must(graded["status"] == trained["status"] == "succeeded", f"{graded['error']} {trained['error']}")
    must((brought["status"], brought["created"]) == ("succeeded", 8), f"{brought['status']} {brought['error']}")
    must(stage.model_codes() - before == {trained["model"]}, "more than one model")
    return f"workers and beat at {shift}: a grade, an import and a training done once each, the trail sealed"


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
    return _off(stage, "+1h")


@fault(
    "clock-behind",
    "The clock of workers and beat is an hour behind",
    "Work is done once; leases hold; the trail is sealed",
)
def clock_behind(stage: Stage) -> str:
    return _off(stage, "-1h")


@fault("clock-mixed", "The clock of one io worker of two is an hour ahead", "What beat sends is not thrown away by it")
def clock_mixed(stage: Stage) -> str:
    if stage.place == "machine":
        raise NotHere("two machines need services")
    if shutil.which("faketime") is None:
        raise NotHere("faketime is not installed (Debian, Ubuntu: apt install faketime)")
    worker = ["worker", "-n", "io-off@%h", "-Q", "io", "--concurrency", "1", *OPTIONS]
    with stage.stopped(IO), another(stage, "io", worker, "+1h"):
        doctor = stage.doctor
        upload = stage.upload(doctor)
        must(upload.ok, f"{upload.status} {upload.words}")
        _sealed(stage)
    return "beat at the right time, the only io worker an hour ahead: the trail is sealed"
