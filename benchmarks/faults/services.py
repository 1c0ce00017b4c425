"""Services that go away: broker, database, object store, laboratory book."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.faults._calls import ENDED, Answer, eventually, refused_well
from benchmarks.faults._proxy import away
from benchmarks.faults._registry import SERVICES, fault, must
from benchmarks.faults._stage import Stage

AWAY_S = 30
# What answers people gives a broker a second or two, and a database or store some more; far above both, far below "for ever".
PROMPT_S = 120
MIRRORED_LIMIT_S = 420


@contextmanager
def uploading(stage: Stage) -> Iterator[list[Answer]]:
    """A doctor who uploads one scan after the other while the block runs; all answers."""
    answers: list[Answer] = []
    ended = threading.Event()
    doctor = stage.doctor
    doctor.log_in()

    def work() -> None:
        while not ended.is_set():
            answers.append(stage.upload(doctor))
            time.sleep(0.2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def all_there(stage: Stage, answers: list[Answer]) -> str:
    """Each upload was accepted and is there, or was refused with words."""
    odd = [one for one in answers if not one.ok and not refused_well(one)]
    must(not odd, f"answers {[(one.status, one.words) for one in odd[:3]]}")
    slow = max((one.seconds for one in answers), default=0.0)
    must(slow < PROMPT_S, f"one waited for {slow:.0f} s")
    accepted = [one.body["id"] for one in answers if one.ok]
    for pk in accepted:
        stage.boss.get(f"images/{pk}/file/")
    refused = len(answers) - len(accepted)
    return f"{len(accepted)} uploads accepted and there, {refused} refused with Retry-After, the slowest after {slow:.1f} s"


def _broker_upload(stage: Stage, *, silent: bool) -> str:
    doctor = stage.doctor
    doctor.log_in()
    with away(stage.proxy("broker"), silent=silent):
        began = time.monotonic()
        job = stage.bring_in(doctor, 10)
        scan = stage.upload(doctor)
        spent = time.monotonic() - began
        must(scan.ok, f"an upload: {scan.status} {scan.words}")
        must(spent < PROMPT_S, f"both were answered only after {spent:.0f} s")
    row = doctor.ended(f"imports/{job['id']}/")
    must((row["status"], row["created"]) == ("succeeded", 10), f"{row['status']} {row['created']} {row['error']}")
    return f"a scan and a ZIP accepted in {spent:.1f} s; the ZIP done once the broker was back, 10 of 10"


@fault(
    "broker-upload",
    "The broker is away during uploads",
    "Accepted as ever; the import begins when it is back",
    SERVICES,
)
def broker_upload(stage: Stage) -> str:
    return _broker_upload(stage, silent=False)


@fault(
    "broker-silent",
    "The broker answers nothing during uploads",
    "Accepted as ever; the import begins when it is back",
    SERVICES,
)
def broker_silent(stage: Stage) -> str:
    return _broker_upload(stage, silent=True)


@fault(
    "broker-grade", "The broker is away during grades", "202 with where to ask; answered once when it is back", SERVICES
)
def broker_grade(stage: Stage) -> str:
    doctor = stage.doctor
    doctor.log_in()
    with away(stage.proxy("broker")):
        asked = [stage.grade(doctor, wait=2) for _ in range(3)]
    rows = [doctor.ended(f"grades/{one['id']}/") for one in asked]
    must({row["status"] for row in rows} == {"succeeded"}, f"{[row['error'] for row in rows]}")
    waiting = sum(one["status"] not in ENDED for one in asked)
    return f"{waiting} of 3 were told to ask again; all three answered once it was back"


def _database(stage: Stage, *, silent: bool) -> str:
    boss = stage.boss
    job = stage.bring_in(boss, 60)
    run = stage.train(boss, epochs=4)
    boss.until(f"training-runs/{run['id']}/", lambda row: row["status"] != "queued")
    with uploading(stage) as answers:
        time.sleep(2)
        with away(stage.proxy("database"), AWAY_S, silent=silent):
            pass
        eventually(lambda: bool(answers) and answers[-1].ok, "no upload is accepted after the database is back")
    said = all_there(stage, answers)
    row = boss.ended(f"imports/{job['id']}/")
    must(
        (row["status"], row["created"]) == ("succeeded", 60),
        f"the import: {row['status']} {row['created']} {row['error']}",
    )
    row = boss.ended(f"training-runs/{run['id']}/")
    must(row["status"] == "succeeded", f"the training: {row['status']} {row['error']}")
    must([one["epoch"] for one in row["metrics"]] == [1, 2, 3, 4], "epochs are missing or there twice")
    return f"{said}; a running import and training ended once each"


@fault(
    "database-away",
    "The database is away for 30 s in upload, import, training",
    "503 with Retry-After; work goes on, once",
    SERVICES,
)
def database_away(stage: Stage) -> str:
    return _database(stage, silent=False)


@fault(
    "database-silent",
    "The database answers nothing for 30 s in the same",
    "503 with Retry-After; work goes on, once",
    SERVICES,
)
def database_silent(stage: Stage) -> str:
    return _database(stage, silent=True)


@fault(
    "store-away",
    "S3 is away for 30 s in upload and import",
    "503 with Retry-After; the import goes on or says why it ended",
    SERVICES,
)
def store_away(stage: Stage) -> str:
    boss = stage.boss
    job = stage.bring_in(boss, 150)
    boss.until(f"imports/{job['id']}/", lambda row: row["status"] != "queued")
    with uploading(stage) as answers, away(stage.proxy("store"), AWAY_S):
        shown = boss.ask("GET", f"images/?project={stage.project}")
        must(shown.ok, f"the list of scans: {shown.status} {shown.words}")
    said = all_there(stage, answers)
    row = boss.ended(f"imports/{job['id']}/")
    whole = row["status"] == "succeeded" and row["created"] == 150
    must(
        whole or (row["status"] == "failed" and row["error"]),
        f"the import: {row['status']} {row['created']} {row['error']}",
    )
    return f"{said}; the import {row['status']} with {row['created']} of 150 {row['error']}"


@fault("book-away", "MLflow is away in a training", "The run succeeds; the laboratory book catches up", SERVICES)
def book_away(stage: Stage) -> str:
    boss = stage.boss
    with away(stage.proxy("book")):
        row = boss.ended(f"training-runs/{stage.train(boss, epochs=2)['id']}/")
        must(row["status"] == "succeeded", f"{row['status']} {row['error']}")
    model = row["model"]
    eventually(lambda: stage.python(MIRRORED, model) == "True", "the version is not in MLflow", MIRRORED_LIMIT_S)
    return f"the run succeeded without it; {model} is in MLflow since it is back"


MIRRORED = """
from models_registry.models import ModelVersion
model = next(one for one in ModelVersion.objects.all() if one.code == sys.argv[1])
print(bool(model.mlflow_version))
"""
