"""Two grade workers on two machines (two processes over two data folders, one thread each) beside one of them alone."""

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import _site_process
from benchmarks._grading_load import queued_batch

BATCH, CHANGES, AT_ONCE = 256, 20, 8
NODE = "grade-two"


def figures(site: _site_process.Site, made: dict[str, Any], rounds: int) -> dict[str, Any]:
    """`two_processes_vs_one`: grades a second of stored scans that all wait, turn by turn with the second process stopped and
    running. `deploy_reaches_all_ms`: from the answer to a deployment to the last of eight grades that are then asked for at
    once, p95; `deploy_old_answers`: those that another version answered, or nobody."""
    with _second(site) as pids:
        alone, both = [], []
        queued_batch(site, made, BATCH)
        for number in range(rounds):
            with _site_process.stopped(pids()):
                alone.append(queued_batch(site, made, BATCH))
            both.append(queued_batch(site, made, BATCH))
            print(f"round {number}: one {alone[-1]:.1f}/s, two {both[-1]:.1f}/s", flush=True)
        reached = [_deployed(site, made, number) for number in range(CHANGES)]
    spent = sorted(seconds for seconds, _ in reached)
    return {
        "two_processes_vs_one": round(statistics.median(b / a for a, b in zip(alone, both, strict=True)), 3),
        "one_process_per_second": round(statistics.median(alone), 2),
        "two_processes_per_second": round(statistics.median(both), 2),
        "deploy_reaches_all_ms": round(1000 * spent[int(0.95 * (len(spent) - 1))]),
        "deploy_old_answers": sum(old for _, old in reached),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


@contextlib.contextmanager
def _second(site: _site_process.Site) -> Iterator[Any]:
    """One more grade worker; a function that gives its processes."""
    command = [
        str(Path(sys.executable).parent / "celery"),
        "-A",
        "mediscan_site",
        "worker",
        "-n",
        f"{NODE}@%h",
        "-Q",
        "grade",
    ]
    command += [
        "--concurrency",
        "1",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel",
        "WARNING",
    ]
    env = {**site.env, "MEDISCAN_DATA_DIR": str(site.folder / "two" / "data")}
    process = subprocess.Popen(command, cwd=site.checkout, env=env, start_new_session=True)
    try:
        yield lambda: _family(process.pid)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()


def _family(pid: int) -> list[int]:
    children = [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]
    return [pid, *children]


def _deployed(site: _site_process.Site, made: dict[str, Any], number: int) -> tuple[float, int]:
    """Seconds until the last of those grades, and how many were not of the new version."""
    model = made["models"][number % 2]
    _call(site, made, f"models/{model}/deploy/", {"override_reason": "measured"})
    began = time.monotonic()
    scans = _scans(site, made)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda scan: _call(site, made, "grades/?wait=60", {"image": scan}), scans))
    spent = time.monotonic() - began
    return spent, sum(one.get("model") != f"model{model:03d}" or one["status"] != "succeeded" for one in answers)


def _scans(site: _site_process.Site, made: dict[str, Any]) -> list[str]:
    rows = _call(site, made, f"images/?project={made['project']}&page_size={AT_ONCE}")["results"]
    return [row["image_id"] for row in rows]


def _call(site: _site_process.Site, made: dict[str, Any], path: str, body: Any = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", int(site.root.rpartition(":")[2]), timeout=300)
    headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"}
    method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
    connection.request(method, f"/api/v1/{path}", text, headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{path}: {answer.status} {said[:300]!r}")
    return dict(json.loads(said))
