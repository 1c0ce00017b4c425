"""From the click on Train to a deployable, evaluated version, on a site with all its programs; grading during a training."""

import re
import secrets
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from benchmarks import _common
from benchmarks._training_machine import watched

START_LIMIT_S, TRAIN_LIMIT_S = 180, 3600
POLL_S = 0.1
LEAST_GRADES = 20
BEFORE = ("from scratch", "transfer learning", "continues from")


def run(data: Path | None, grades: int) -> dict[str, Any]:
    """Seconds from the click, where they go, and the 95th percentile of grading without and during a training."""
    with _common.scratch_site():
        from mediscan_site.front.prepare import prepare

        prepare()
        people = _people()
        with _site() as base, watched() as machine:
            figures = _measure(base, people, data, grades)
    return {**figures, "site_details": machine.to_dict()}


def _measure(base: str, people: dict[str, str], data: Path | None, grades: int) -> dict[str, Any]:
    from mediscan_site.front.demo import scans, steps
    from mediscan_site.front.demo.client import Api

    own = scans.own_data(data / "dataset") if data else scans.sample_data()
    admin, author, colleague = (Api(base, name, password) for name, password in people.items())
    story = steps.Story(admin, author, colleague, own, tell=lambda _share, _note: None)
    for step in (steps.create_project, steps.upload_files, steps.upload_zip, steps.label, steps.approve):
        print(step(story), flush=True)
    began = time.perf_counter()
    first = story.admin.post("training-runs/", {"project": story.pk})
    ended, stages = _watch(story, first["id"])
    seconds = time.perf_counter() - began
    print(f"{ended['message']} {stages}", flush=True)
    story.model = story.admin.get(f"models/{ended['model']}/")
    print(steps.deploy(story), flush=True)
    return {
        "train_click_to_deployable_s": round(seconds, 1),
        "train_click_stages_s": stages,
        "train_click_on": "X-rays" if data else "phantoms",
        **_grading(story, data, grades),
    }


def _watch(story: Any, run: int) -> tuple[dict[str, Any], dict[str, float]]:
    """The ended run, and the seconds that were spent in each of its stages, by what it says of itself."""
    stages: dict[str, float] = {}
    last, deadline = time.perf_counter(), time.perf_counter() + TRAIN_LIMIT_S
    while last < deadline:
        row = story.admin.get(f"training-runs/{run}/")
        now = time.perf_counter()
        name = stage(row["status"], row["message"])
        stages[name] = stages.get(name, 0.0) + now - last
        last = now
        if row["status"] in ("failed", "cancelled"):
            raise SystemExit(f"The training {row['status']}: {row['error']}")
        if row["status"] == "succeeded":
            return row, {name: round(spent, 1) for name, spent in stages.items()}
        time.sleep(POLL_S)
    raise SystemExit(f"The training did not end within {TRAIN_LIMIT_S} s.")


def stage(status: str, message: str) -> str:
    """The name of a stage: what a run says up to its first number or comma."""
    if status == "queued":
        return "waiting for a worker"
    if status != "running":
        return "writing the result"
    # Of several networks each says first which one it is.
    stage_name = re.sub(r"^(member|fold) [\d.]+: ", "", message)
    name = re.split(r"[\d,(:]", stage_name, maxsplit=1)[0].strip().lower()
    # Until its process says something, a run shows what it will start from.
    if not name or name.startswith(BEFORE):
        return "starting the process"
    return "training" if name == "epoch" else name


def _grading(story: Any, data: Path | None, grades: int) -> dict[str, Any]:
    """Each file is graded once: an existing grade would be given at once."""
    files = _common.jpegs(data, 2 * grades + 2)
    for content in files[:2]:
        _grade(story, content)
    half = (len(files) - 2) // 2
    idle = [_grade(story, content) for content in files[2 : 2 + half]]
    run = story.admin.post("training-runs/", {"project": story.pk, "seed": 1})
    _wait_until_training(story, run["id"])
    beside = []
    for content in files[2 + half :]:
        beside.append(_grade(story, content))
        if story.admin.get(f"training-runs/{run['id']}/")["status"] != "running":
            beside.pop()  # the training may have ended before this grade
            break
    with suppress(Exception):
        story.admin.post(f"training-runs/{run['id']}/cancel/")
    enough = len(beside) >= LEAST_GRADES and len(idle) >= LEAST_GRADES
    print(f"{len(idle)} grades without and {len(beside)} during a training")
    return {
        "grading_p95_ms_idle": _p95(idle) if enough else None,
        "grading_p95_ms_while_training": _p95(beside) if enough else None,
        "grades_timed": [len(idle), len(beside)],
    }


def _p95(seconds: list[float]) -> float:
    return round(1000 * statistics.quantiles(seconds, n=20, method="inclusive")[-1], 1)


def _grade(story: Any, content: bytes) -> float:
    """Seconds from the request until the answer is there."""
    began = time.perf_counter()
    row = story.author.post("grades/", {"project": story.pk}, files={"file": ("scan.jpg", content)})
    while row["status"] != "succeeded":
        if row["status"] == "failed":
            raise SystemExit(f"A grade failed: {row['error']}")
        time.sleep(0.01)
        row = story.author.get(f"grades/{row['id']}/")
    return time.perf_counter() - began


def _wait_until_training(story: Any, run: int) -> None:
    deadline = time.perf_counter() + START_LIMIT_S
    while time.perf_counter() < deadline:
        row = story.admin.get(f"training-runs/{run}/")
        if stage(row["status"], row["message"]) == "training":
            return
        time.sleep(POLL_S)
    raise SystemExit("The second training did not begin.")


def _people() -> dict[str, str]:
    from mediscan_site.core.models import Role
    from mediscan_site.core.services import create_user

    roles = {"admin": Role.ADMIN, "dr001": Role.DOCTOR, "dr002": Role.DOCTOR}
    passwords = {name: secrets.token_urlsafe(12) for name in roles}
    for name, role in roles.items():
        create_user(actor=None, username=name, role=role, password=passwords[name])
    return passwords


@contextmanager
def _site() -> Iterator[str]:
    """All programs of the site, on a port of its own."""
    from mediscan_site.front import supervisor

    port = supervisor.free_port()
    root = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        site = subprocess.Popen(
            supervisor.command(), env=supervisor.environment(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait_for(root, site)
            yield f"{root}/api/v1"
        finally:
            site.terminate()
            site.wait(60)


def _wait_for(root: str, site: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and site.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(f"{root}/healthz", timeout=10).ok:
                return
        time.sleep(0.3)
    raise SystemExit("The site did not start.")
