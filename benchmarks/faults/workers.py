"""Workers that die or stand still in the middle of their work."""

import io
import signal
import time
import zipfile
from typing import Any

from benchmarks.faults._calls import Caller
from benchmarks.faults._registry import fault, must
from benchmarks.faults._stage import LEASE_S, Stage, catch

IN_A_ZIP = 150
TRAIN, IO, GRADE = "-Q train", "-Q io", "-Q grade"
BROUGHT = """
from labeling.models import ImportFile
rows = ImportFile.objects.filter(batch=sys.argv[1])
print(rows.count(), rows.exclude(image=None).values("image").distinct().count())
"""
ONCE = "Another attempt goes on; each result is there once"


def _broken(stage: Stage, words: str, kind: str) -> str:
    """What is done to a stopped worker: it is killed, or it stands for longer than its lease and wakes up again."""
    if kind == "killed":
        stage.signal(words, signal.SIGKILL)
        return "killed"
    time.sleep(2.5 * LEASE_S)
    stage.signal(words, signal.SIGCONT)
    return f"stopped for {2.5 * LEASE_S:.0f} s"


def _training(stage: Stage, kind: str) -> str:
    before = stage.model_codes()
    job, boss = catch(stage, TRAIN, lambda caller: stage.train(caller, epochs=6), "training-runs/{id}/")
    said = _broken(stage, TRAIN, kind)
    row = boss.ended(f"training-runs/{job['id']}/")
    must(row["status"] == "succeeded", f"the run {row['status']}: {row['error']}")
    epochs = [one["epoch"] for one in row["metrics"]]
    must(epochs == [1, 2, 3, 4, 5, 6], f"epochs {epochs}")
    more = stage.model_codes() - before
    must(more == {row["model"]}, f"models {sorted(more)}")
    return f"{said}; went on to epoch 6, one model"


def _import(stage: Stage, kind: str) -> str:
    job, boss = catch(stage, IO, lambda caller: stage.bring_in(caller, IN_A_ZIP), "imports/{id}/")
    said = _broken(stage, IO, kind)
    row = boss.ended(f"imports/{job['id']}/")
    seen = (row["status"], row["created"], row["duplicates"])
    must(seen == ("succeeded", IN_A_ZIP, 0), f"{seen} {row['error']}")
    lines, scans = stage.python(BROUGHT, str(job["id"])).split()
    must(lines == scans == str(IN_A_ZIP), f"{lines} lines of its report, {scans} scans")
    return f"{said}; {IN_A_ZIP} of {IN_A_ZIP} scans, each once"


def _export(stage: Stage, kind: str) -> str:
    body = {"project": stage.project, "files": "originals"}
    job, boss = catch(stage, IO, lambda caller: caller.made("exports/", json=body), "exports/{id}/")
    said = _broken(stage, IO, kind)
    row = boss.ended(f"exports/{job['id']}/")
    must(row["status"] == "succeeded", f"{row['status']} {row['error']}")
    names = zipfile.ZipFile(io.BytesIO(boss.get(f"exports/{job['id']}/file/"))).namelist()
    scans = [name for name in names if name.endswith(".jpg")]
    must(len(scans) == len(set(scans)) == row["total"], f"{len(scans)} of {row['total']} scans in the ZIP")
    return f"{said}; the ZIP has all {len(scans)} scans once"


def _grades(stage: Stage, kind: str) -> str:
    doctor = stage.doctor
    before = _graded(stage, doctor)
    with stage.stopped(GRADE):
        asked = [stage.grade(doctor)["id"] for _ in range(6)]
        if kind == "stopped":
            waited = doctor.ask("GET", f"grades/{asked[0]}/?wait=3")
            must(waited.ok and waited.body["status"] in ("queued", "running"), f"{waited.status} {waited.words}")
            time.sleep(LEASE_S)
    if kind == "killed":
        doctor.until(f"grades/{asked[0]}/", lambda row: row["status"] != "queued")
        stage.signal(GRADE, signal.SIGKILL)
    rows = [doctor.ended(f"grades/{pk}/") for pk in asked]
    must({row["status"] for row in rows} == {"succeeded"}, f"{[(row['status'], row['error']) for row in rows]}")
    must(_graded(stage, doctor) - before == len(asked), "the history has not one entry for each")
    return f"{kind}; six of six answered once, whoever waited was told where to ask"


def _graded(stage: Stage, caller: Caller) -> int:
    rows: list[Any] = caller.get(f"history/?project={stage.project}&page_size=200")["results"]
    return len(rows)


@fault(
    "training-killed", "SIGKILL for the train worker and its training", f"{ONCE}; the run resumes from its checkpoint"
)
def training_killed(stage: Stage) -> str:
    return _training(stage, "killed")


@fault("training-stopped", "SIGSTOP for the train worker, longer than its lease, then SIGCONT", ONCE)
def training_stopped(stage: Stage) -> str:
    return _training(stage, "stopped")


@fault("import-killed", "SIGKILL for the io worker in an import", f"{ONCE}; nothing of the ZIP is missing")
def import_killed(stage: Stage) -> str:
    return _import(stage, "killed")


@fault(
    "import-stopped", "SIGSTOP for the io worker in an import, then SIGCONT", f"{ONCE}; nothing of the ZIP is missing"
)
def import_stopped(stage: Stage) -> str:
    return _import(stage, "stopped")


@fault("export-killed", "SIGKILL for the io worker in an export", ONCE)
def export_killed(stage: Stage) -> str:
    return _export(stage, "killed")


@fault("export-stopped", "SIGSTOP for the io worker in an export, then SIGCONT", ONCE)
def export_stopped(stage: Stage) -> str:
    return _export(stage, "stopped")


@fault("grade-killed", "SIGKILL for the grade worker while six grades wait", "Each is answered once")
def grade_killed(stage: Stage) -> str:
    return _grades(stage, "killed")


@fault(
    "grade-stopped",
    "SIGSTOP for the grade worker while six wait, then SIGCONT",
    "Whoever waits gets 202; each answered once",
)
def grade_stopped(stage: Stage) -> str:
    return _grades(stage, "stopped")
