"""What else goes on while grades are measured: a training beside them, and many stored scans that wait at once."""

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import _common, _site_process

NICENESS = 10
# The engine over phantoms, again and again, as a training process runs it: niced, on the threads that are left.
TRAIN = """
import os
os.nice({niceness})
import numpy as np
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.ensemble import train
from training.engine.series import Watch
tiles = np.random.default_rng(0).integers(0, 256, (400, 64, 64), dtype=np.uint8)
labels = np.arange(400) % 2
data = TrainData(tiles, labels, tiles[:40], labels[:40], 2)
config = TrainConfig(architecture="resnet_compact", pretrained=False, epochs=500, image_size=64)
print("training", flush=True)
train(data, config, Watch(lambda *_: None, lambda *_: None, lambda: False), device="cpu")
"""
QUEUE = """
import sys, time
import django
django.setup()
from django.db import transaction
from images.models import Image, Project
from mediscan_site.core.models import User
from models_registry.grades.services import request_grade
from models_registry.models import Grade
project, count = Project.objects.get(pk=int(sys.argv[1])), int(sys.argv[2])
user, scans = User.objects.get(username="bench"), list(Image.objects.filter(project=project)[:count])
with transaction.atomic():
    asked = {request_grade(actor=user, project=project, image=scan).pk for scan in scans}
before, queued = Grade.objects.filter(pk__in=asked, status="succeeded").count(), time.perf_counter()
while Grade.objects.filter(pk__in=asked, status__in=("queued", "running")).exists():
    time.sleep(0.01)
ended = time.perf_counter()
assert Grade.objects.filter(pk__in=asked, status="succeeded").count() == len(asked)
print((len(asked) - before) / (ended - queued))
"""


# As the page and the API do it.
BATCH = """
import sys, time
import django
django.setup()
from images.models import Image, Project
from mediscan_site.core.models import User
from models_registry.batches.services import start_batch
from models_registry.models import GradeBatch, GradeBatchItem
project, count = Project.objects.get(pk=int(sys.argv[1])), int(sys.argv[2])
user, keys = User.objects.get(username="bench"), Image.objects.filter(project=project).values("pk")[:count]
scans = Image.objects.filter(pk__in=list(keys.values_list("pk", flat=True)))
began = time.perf_counter()
batch = start_batch(actor=user, project=project, images=scans)
while GradeBatch.objects.filter(pk=batch.pk, status__in=("queued", "running")).exists():
    time.sleep(0.01)
ended = time.perf_counter()
graded = GradeBatchItem.objects.filter(batch=batch, grade__status="succeeded").count()
assert graded == batch.total, (graded, batch.total)
print(graded / (ended - began))
"""


class Load:
    """A training on this machine, while the block runs."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000", **env}

    def __enter__(self) -> None:
        command = [sys.executable, "-c", TRAIN.format(niceness=NICENESS)]
        self._process = subprocess.Popen(
            command, cwd=_common.ROOT, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        # A site's training is of the site's own session, where its niceness counts. Between sessions Linux may share the
        # processor evenly, whatever the niceness of what runs in them: then the session gets it.
        group = Path(f"/proc/{self._process.pid}/autogroup")
        if group.exists():
            group.write_text(str(NICENESS))
        said = self._process.stdout.readline() if self._process.stdout else ""
        if said.strip() != "training":
            raise SystemExit(f"The training beside the grades did not start: {said}")
        time.sleep(3)
        if self._process.poll() is not None:
            raise SystemExit(f"The training beside the grades ended: {self._process.communicate()[0]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def stored_batch(site: _site_process.Site, made: dict[str, Any], count: int) -> float:
    """Grades a second of a batch of so many stored scans, from its start to the last answer."""
    return _run(site, BATCH, made, count)


def queued_batch(site: _site_process.Site, made: dict[str, Any], count: int) -> float:
    """Grades a second of scans that are asked for one by one, from when all have been: what the workers do."""
    return _run(site, QUEUE, made, count)


def _run(site: _site_process.Site, script: str, made: dict[str, Any], count: int) -> float:
    command = [sys.executable, "-c", script, str(made["project"]), str(count)]
    done = subprocess.run(command, cwd=site.checkout, env=site.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return float(done.stdout.splitlines()[-1])
