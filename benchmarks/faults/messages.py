"""Messages that come five times, messages that nobody can read, and a bundle whose stored bytes are damaged."""

import contextlib
import signal
import tempfile
from collections.abc import Iterator

from benchmarks.faults._calls import eventually
from benchmarks.faults._registry import BOTH, fault, must
from benchmarks.faults._stage import Stage
from benchmarks.faults.workers import GRADE, IO, TRAIN

TIMES = 5
SEND = """
from mediscan_site.celery import app
app.loader.import_default_modules()
for _ in range(int(sys.argv[3])):
    app.tasks[sys.argv[1]].apply_async(args=(int(sys.argv[2]),))
"""
ATTEMPTS = """
from django.apps import apps
print(apps.get_model(sys.argv[1]).objects.get(pk=int(sys.argv[2])).attempt)
"""


@fault("five-times", "The message of a grade, an import and a training comes five times", "Each is done once", BOTH)
def five_times(stage: Stage) -> str:
    boss = stage.boss
    before = stage.model_codes()
    with contextlib.ExitStack() as held:
        for words in (GRADE, IO, TRAIN):
            held.enter_context(stage.stopped(words))
        grade, job, run = stage.grade(boss), stage.bring_in(boss, 12), stage.train(boss, epochs=1)
        for task, row in (("models_registry.grade", grade), ("labeling.run_import", job), ("training.train", run)):
            stage.python(SEND, task, str(row["id"]), str(TIMES))
    graded = boss.ended(f"grades/{grade['id']}/")
    brought = boss.ended(f"imports/{job['id']}/")
    trained = boss.ended(f"training-runs/{run['id']}/")
    must(graded["status"] == trained["status"] == "succeeded", f"{graded['error']} {trained['error']}")
    must((brought["status"], brought["created"], brought["duplicates"]) == ("succeeded", 12, 0), f"{brought}")
    must(stage.model_codes() - before == {trained["model"]}, "more than one model")
    rows = (("models_registry.Grade", grade), ("labeling.Import", job), ("training.TrainingRun", run))
    attempts = [int(stage.python(ATTEMPTS, label, str(row["id"]))) for label, row in rows]
    must(attempts == [1, 1, 1], f"attempts {attempts}")
    return f"{TIMES + 1} messages each; one attempt, one answer, 12 scans, one model"


@fault("foreign-messages", "Messages that are not this site's come into each queue", "Set aside and told; work goes on")
def foreign_messages(stage: Stage) -> str:
    stage.python(FOREIGN)
    doctor = stage.doctor
    row = stage.graded(doctor)
    must(row["status"] == "succeeded", f"{row['status']} {row['error']}")
    job = doctor.ended(f"imports/{stage.bring_in(doctor, 4)['id']}/")
    must(job["status"] == "succeeded", f"{job['status']} {job['error']}")
    eventually(lambda: stage.python(SET_ASIDE) == f"{SENT} 1", f"not {SENT} set aside and a notice")
    return f"all {SENT} set aside, with a notice; a grade and an import done"


SENT = 6
SET_ASIDE = """
from mediscan_site.core import notices, unreadable
kept = len(list(unreadable.folder().iterdir()))
print(kept, sum(one.key == unreadable.NOTICE for one in notices.standing()))
"""
FOREIGN = """
from kombu import Exchange
from mediscan_site.celery import app
with app.connection_for_write() as broker:
    for queue in ("io", "grade", "train"):
        producer = broker.Producer(exchange=Exchange(queue), routing_key=queue)
        producer.publish({"hello": "world"}, serializer="json", declare=[])
        producer.publish("text", content_type="text/plain", content_encoding="utf-8")
"""


@fault(
    "bundle-damaged",
    "A byte of the deployed version's stored file changes",
    "Never another answer: refused in words until restored",
)
def bundle_damaged(stage: Stage) -> str:
    doctor = stage.doctor
    good = stage.graded(doctor)
    must(good["status"] == "succeeded", f"{good['status']} {good['error']}")
    with _damaged(stage):
        # What is in memory was read while it was whole.
        stage.signal(GRADE, signal.SIGKILL)
        stage.started(GRADE)
        row = stage.graded(doctor)
        must(row["status"] == "failed" and row["error"], f"a grade {row['status']} {row['error']}")
        words = row["error"]
    stage.python("from mediscan_site.core.storage import verification\nverification.verify_part()")
    again = stage.graded(doctor)
    must(again["status"] == "succeeded", f"restored: {again['status']} {again['error']}")
    return f"“{words}”; answered again once its bytes were put back"


@contextlib.contextmanager
def _damaged(stage: Stage) -> Iterator[None]:
    """The stored object of what is deployed, and of its graph, has one other byte while the block runs."""
    with tempfile.NamedTemporaryFile(prefix="mediscan-bundle-") as kept:
        stage.python(FLIP, kept.name)
        try:
            yield
        finally:
            stage.python(PUT_BACK, kept.name)


FLIP = """
import json, base64
from django.core.files.storage import storages
from django.core.files.base import ContentFile
from models_registry.models import DeployedModel
store, kept = storages["blobs"], {}
for row in DeployedModel.objects.select_related("deployment__model__bundle"):
    model = row.deployment.model
    blobs = [model.bundle] + ([model.graph.blob] if hasattr(model, "graph") and model.graph.blob else [])
    for blob in blobs:
        with store.open(blob.path, "rb") as stream:
            data = stream.read()
        kept[blob.path] = base64.b64encode(data).decode()
        store.delete(blob.path)
        store.save(blob.path, ContentFile(data[:2000] + bytes([data[2000] ^ 1]) + data[2001:]))
open(sys.argv[1], "w").write(json.dumps(kept))
"""
PUT_BACK = """
import json, base64
from django.core.files.storage import storages
from django.core.files.base import ContentFile
store = storages["blobs"]
for path, data in json.load(open(sys.argv[1])).items():
    store.delete(path)
    store.save(path, ContentFile(base64.b64decode(data)))
"""
