"""kill -9 of the worker in the middle of an import: another one finishes it, and nothing is there twice."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.story.conftest import CLASSES, jpeg

pytestmark = pytest.mark.story
COUNT = 300


def many() -> bytes:
    random, out = np.random.default_rng(7), io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(COUNT):
            picture = Image.fromarray(random.integers(0, 256, (48, 48), dtype=np.uint8))
            made.writestr(f"{CLASSES[number % 2]}/{number:04}.jpg", jpeg(picture))
    return out.getvalue()


def test_an_import_whose_worker_is_killed_is_finished_and_nothing_is_doubled(site):
    boss = site.as_user("boss")
    project = boss("POST", "/api/v1/projects/", json={"name": "Killed import", "classes": CLASSES}, expect=201)["id"]
    sent = {"file": ("many.zip", many(), "application/zip")}
    batch = boss("POST", "/api/v1/imports/", data={"project": project}, files=sent, expect=202)
    path = f"/api/v1/imports/{batch['id']}/"
    half_way = boss.wait(path, until=lambda row: row["done"] > 0)
    assert site.kill("-Q io")
    assert half_way["done"] < COUNT, "it was too quick to be killed half-way"
    done = boss.wait(path)
    assert (done["status"], done["total"], done["created"], done["duplicates"]) == ("succeeded", COUNT, COUNT, 0), done
    lines = boss("GET", f"{path}files/", params={"format": "csv"}).text.splitlines()
    assert len(lines) == COUNT + 1
    scans = boss("GET", f"/api/v1/projects/{project}/stats/")
    assert scans["total"] == scans["label_status"]["labeled"] == COUNT
