"""kill -9 in the middle of the work: afterwards it resumes, once, or ends in a clear failure. Never stuck in running."""

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from images import phantoms
from tests.story.conftest import Caller, jpeg

pytestmark = pytest.mark.story


def test_a_training_whose_worker_is_killed_goes_on_and_makes_one_model(loaded):
    site, project = loaded
    boss = site.as_user("boss")
    before = _models(boss, project)
    body = {"project": project, "image_size": 32, "epochs": 6, "pretrained": "false"}
    run = boss("POST", "/api/v1/training-runs/", json=body, expect=202)
    path = f"/api/v1/training-runs/{run['id']}/"
    boss.wait(path, until=lambda row: len(row["metrics"]) >= 1)
    assert site.kill("-Q train")
    done = boss.wait(path)
    assert done["status"] == "succeeded", done
    assert [row["epoch"] for row in done["metrics"]] == [1, 2, 3, 4, 5, 6]
    assert _models(boss, project) - before == {done["model"]}
    assert site.started("-Q train"), "the supervisor did not start the worker again"


def _models(boss: Caller, project: int) -> set[str]:
    rows = boss("GET", "/api/v1/models/", params={"project": project})["results"]
    return {row["model_id"] for row in rows}


@pytest.fixture(scope="module")
def deployed(loaded):
    """The same project with a model that answers."""
    site, project = loaded
    boss = site.as_user("boss")
    body = {"project": project, "image_size": 32, "epochs": 1, "pretrained": "false", "seed": 4}
    run = boss("POST", "/api/v1/training-runs/", json=body, expect=202)
    model = boss.wait(f"/api/v1/training-runs/{run['id']}/")["model"]
    boss("POST", f"/api/v1/models/{model}/deploy/", json={"override_reason": "test"})
    return loaded


def test_grades_whose_worker_is_killed_are_given_once_each(deployed):
    site, project = deployed
    author = site.as_user("dr001")
    ids = []
    for seed in range(6):
        picture = ("new.jpg", jpeg(phantoms.phantom(5000 + seed, 0, bool(seed % 2))))
        row = author(
            "POST", "/api/v1/grades/?wait=0", data={"project": project}, files={"file": picture}, expect=(201, 202)
        )
        ids.append(row["id"])
        if seed == 2:
            assert site.kill("-Q grade")
    ended = [author.wait(f"/api/v1/grades/{pk}/") for pk in ids]
    assert {row["status"] for row in ended} == {"succeeded"}, ended
    history = author("GET", "/api/v1/history/", params={"project": project, "page_size": 200})["results"]
    assert len(history) == len(ids)


def test_sixty_who_wait_for_a_stopped_worker_hold_up_nobody(deployed):
    site, project = deployed
    workers = site.started("-Q grade")
    doctor = site.as_user("dr001")
    token = doctor.token
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(60) as callers:
            asked = [callers.submit(_grade, site.root, token, project, seed) for seed in range(60)]
            time.sleep(5)
            began = time.monotonic()
            assert requests.get(f"{site.root}/healthz", timeout=60).ok
            assert time.monotonic() - began < 10
            began = time.monotonic()
            doctor("GET", f"/api/v1/images/?project={project}")
            assert time.monotonic() - began < 30
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            answers = [future.result() for future in asked]
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    # Never an error: the answer, or where to ask for it.
    assert {answer.status_code for answer in answers} <= {201, 202, 429}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)


def _grade(root: str, token: str, project: int, seed: int) -> requests.Response:
    return requests.post(
        f"{root}/api/v1/grades/?wait=60",
        headers={"Authorization": f"Bearer {token}"},
        data={"project": project},
        files={"file": (f"{seed}.jpg", jpeg(phantoms.phantom(70_000 + seed, 0, False)))},
        timeout=300,
    )


def test_a_cancelled_training_stops_long_before_its_end(loaded):
    site, project = loaded
    boss = site.as_user("boss")
    body = {"project": project, "image_size": 64, "epochs": 500, "pretrained": "false", "seed": 9}
    run = boss("POST", "/api/v1/training-runs/", json=body, expect=202)
    path = f"/api/v1/training-runs/{run['id']}/"
    boss.wait(path, until=lambda row: row["status"] == "running" and row["progress"] > 0)
    boss("POST", f"{path}cancel/", expect=(200, 202))
    done = boss.wait(path)
    assert done["status"] == "cancelled", done
    assert len(done["metrics"]) < 500
