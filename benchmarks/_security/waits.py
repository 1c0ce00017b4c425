"""One client, or one service that is away, holds nobody else up: grades that wait, a database that is silent."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from benchmarks._security import Failed, Skipped, World, check, must
from benchmarks._security.bodies import seconds_of

WAITING, SILENT_S = 60, 45
# A tiny network with random weights: what it says is of no interest here, only who waits for it.
DEPLOYED = """
from images.models import Project
from mediscan_site.core.models import User
from models_registry.deployments.services import deploy
from models_registry.versions.services import register_version
from tests.models_registry.conftest import COMPACT, bundle_bytes, empty_snapshot, report
project, boss = Project.objects.get(pk=PROJECT), User.objects.get(username="boss")
classes = list(project.class_rows.all())
model = register_version(
    actor=boss, project=project, snapshot=empty_snapshot(project, boss, "e" * 64), architecture=COMPACT,
    bundle=bundle_bytes(classes), source="training001", classes=[row.pk for row in classes], calibration={},
    card={"params": {"epochs": 2}, "epochs": [{"epoch": 1, "train_loss": 0.7}]}, metrics=report())
deploy(actor=boss, model=model)
"""


def others_are_served(world: World, *, database: bool) -> str:
    alive = max(seconds_of(world, "/healthz") for _ in range(5))
    must(alive <= 1, f"/healthz took {alive:.1f} s")
    if not database:
        return f"healthz {alive:.2f} s"
    person = world.person("colleague")
    token = {"Authorization": f"Bearer {person.token}"}
    read = seconds_of(world, f"/api/v1/images/?project={world.project}", headers=token)
    body = {"username": "colleague", "password": person.password}
    entered = seconds_of(world, "/api/v1/auth/token/", "POST", json=body)
    must(read <= 3 and entered <= 3, f"list {read:.1f} s, log-in {entered:.1f} s")
    return f"healthz {alive:.2f} s, list {read:.2f} s, log-in {entered:.2f} s"


def graders(world: World) -> list[int]:
    found = []
    for pid in world.place.pids():
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            if b"\0-Q\0grade" in file.read():
                found.append(pid)
    return found


@check(
    "waits.grades",
    "60 grades that wait while the worker is stopped",
    "/healthz within 1 s, log-in and reading within 3 s",
)
def waiting_grades(world: World) -> str:
    made = world.python(DEPLOYED.replace("PROJECT", str(world.project)))
    if made.returncode:
        raise Skipped(f"no model could be deployed: {made.stderr[-200:]}")
    person, pids = world.person("author"), graders(world)
    token = {"Authorization": f"Bearer {person.token}"}
    url = f"{world.place.root}/api/v1/grades/?wait=60"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(WAITING) as pool:
            for number in range(WAITING):
                body = {"image": world.scans[number % len(world.scans)]}
                pool.submit(requests.post, url, json=body, headers=token, timeout=120)
            time.sleep(5)
            try:
                return others_are_served(world, database=True)
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@check(
    "waits.database",
    "a database that is silent for 45 s, and 40 callers",
    "/healthz within 1 s; recovery by itself within 30 s",
)
def silent_database(world: World) -> str:
    if world.pipe is None:
        raise Skipped("SQLite is a file")
    token = {"Authorization": f"Bearer {world.person('author').token}"}
    url = f"{world.place.root}/api/v1/images/?project={world.project}"
    with ThreadPoolExecutor(40) as pool:
        world.pipe.silent.set()
        began = time.monotonic()
        try:
            for _ in range(40):
                pool.submit(requests.get, url, headers=token, timeout=120)
            time.sleep(3)
            said = others_are_served(world, database=False)
            time.sleep(max(0.0, SILENT_S - (time.monotonic() - began)))
        finally:
            world.pipe.silent.clear()
        back = time.monotonic()
        while time.monotonic() - back < 30:
            if seconds_of_success(url, token):
                return f"{said}, back after {time.monotonic() - back:.1f} s"
            time.sleep(0.5)
    raise Failed("no list within 30 s of the database's return")


def seconds_of_success(url: str, token: dict[str, str]) -> bool:
    try:
        return requests.get(url, headers=token, timeout=10).ok
    except requests.RequestException:
        return False
