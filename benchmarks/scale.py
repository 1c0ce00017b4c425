"""How much a site takes: `make bench-scale DATABASE=server REDIS=url SCANS=1000000`.

A site of its own on the database server, seeded, with its workers; locust (in a virtual environment of its own: it brings what
slows the site's static files down) plays a mixed day with ever more people. Capacity is the last step without an error whose 95
of 100 answers take less than LIMIT_MS; then twice as many people must meet nothing worse than slower answers, or a word to wait.
In the same run: a list page of 50 scans against a bare view of Django REST framework, interleaved, two processes each."""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks import _common, _site_process

PASSWORD = "a long and private sentence"  # noqa: S105 -- of a site that is gone afterwards
ACCOUNTS = ",".join(f"scale.doctor{number}" for number in range(1, 9))
LIMIT_MS = 1000
CLIENTS = 4
SETTLE_S = 60.0
LIST = "/api/v1/images/?project={project}&page_size=50"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default="", help="a server, as mysql://root@127.0.0.1:3306/mysql; empty: SQLite")
    parser.add_argument("--redis", default="", help="the broker; empty: in files")
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--locust", type=Path, required=True, help="its program")
    parser.add_argument("--seconds", type=int, default=30, help="of each step")
    parser.add_argument("--people", default="8,16,32,64,128", help="of each step")
    parser.add_argument("--address", default="", help="a site that is seeded and runs: then nothing is made or stopped")
    given = parser.parse_args()
    if given.address:
        _save(_played(given.address, given))
        return
    with _site_process.site(given.database, given.redis, **_common.UNTHROTTLED) as site:
        seeded = site.manage("seed_scale", "--scans", str(given.scans), MEDISCAN_PASSWORD=PASSWORD)
        if seeded.returncode:
            raise SystemExit(seeded.stdout + seeded.stderr)
        _have_answers(site)
        # First, while no worker is busy with what the day has left.
        time.sleep(SETTLE_S)
        _save({"rows": given.scans, **_beside_bare(site), **_played(site.root, given)})


def _have_answers(site: _site_process.Site) -> None:
    """A version that answers, of a network with random weights: how long it takes does not depend on what it says."""
    command = [sys.executable, str(_common.ROOT / "benchmarks" / "_grading_setup.py"), str(site.folder)]
    made = subprocess.run(
        [*command, f"--project={_project(site.root)}"], env=site.env, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise SystemExit(made.stderr)


def _save(figures: dict[str, Any]) -> None:
    _common.keep_of_scale({"load_1_min": round(os.getloadavg()[0], 1), **figures})


def _token(root: str) -> dict[str, str]:
    who = {"username": ACCOUNTS.split(",")[0], "password": PASSWORD}
    answer = requests.post(f"{root}/api/v1/auth/token/", json=who, timeout=60)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access']}"}


def _project(root: str) -> int:
    """The one with most scans: the last that the seeder makes."""
    found = requests.get(f"{root}/api/v1/projects/", headers=_token(root), timeout=60).json()["results"]
    return max(int(row["id"]) for row in found)


def _played(root: str, given: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    project, capacity = _project(root), 0
    for people in map(int, given.people.split(",")):
        step = _step(root, project, people, given)
        figures |= {f"people_{people}_{name}": value for name, value in step.items()}
        if step["errors"] or step["p95_ms"] > LIMIT_MS:
            break
        capacity = people
    figures["capacity_people"] = capacity
    if capacity:
        twice = _step(root, project, 2 * capacity, given)
        figures |= {f"twice_{name}": value for name, value in twice.items()}
    return figures


def _step(root: str, project: int, people: int, given: argparse.Namespace) -> dict[str, Any]:
    command = [
        str(given.locust), "-f", str(_common.ROOT / "benchmarks" / "scale_day.py"), "--headless", "--json",
        "--users", str(people), "--spawn-rate", str(max(4, people // 4)), "--run-time", f"{given.seconds}s",
        "--host", root, "--exit-code-on-error", "0",
    ]  # fmt: skip
    env = {**os.environ, "MEDISCAN_PASSWORD": PASSWORD, "BENCH_ACCOUNTS": ACCOUNTS, "BENCH_PROJECT": str(project)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout[done.stdout.index("[") : done.stdout.rindex("]") + 1])
    for line in re.findall(r"^ERROR .*", done.stderr, re.MULTILINE):
        print(f"  {people} people: {line}", flush=True)
    waits = re.search(r"TOLD_TO_WAIT (\d+) (\d+)", done.stdout)
    return {
        "rps": round(sum(row["num_requests"] for row in rows) / given.seconds, 1),
        "p95_ms": _p95(rows),
        "errors": sum(row["num_failures"] for row in rows),
        "told_to_wait": sum(map(int, waits.groups())) if waits else None,
        "slowest": max(((_p95([row]), row["name"]) for row in rows), default=None),
    }


def _p95(rows: list[dict[str, Any]]) -> float:
    """Of locust's histograms: milliseconds and how many took so long."""
    times = sorted((float(ms), number) for row in rows for ms, number in row["response_times"].items())
    wanted, seen = 0.95 * sum(number for _, number in times), 0
    for ms, number in times:
        seen += number
        if seen >= wanted:
            return ms
    return 0.0


def _beside_bare(site: _site_process.Site) -> dict[str, Any]:
    """Our list page's requests a second over a bare view's, medians of interleaved rounds."""
    project = _project(site.root)
    env = {**site.env, **_common.UNTHROTTLED, "METRICS_DIR": str(site.folder / "bare"), "LOG_LEVEL": "ERROR"}
    bare_env = {**env, "DJANGO_SETTINGS_MODULE": "benchmarks._bare_settings"}
    with _common.web_process("mediscan_site.front.gate", **bare_env) as port:
        ours = urlsplit(site.root).port or 0
        sides = {
            "ours": _asking(ours, LIST.format(project=project), _token(site.root)),
            "drf": _asking(port, f"/bare/?project={project}", {}),
            "plain": _asking(port, f"/plain/?project={project}", {}),
        }
        return _shares(sides)


def _shares(sides: dict[str, Callable[[], float]], rounds: int = 5) -> dict[str, Any]:
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, ask in sides.items():
            spent = ask()
            if number:  # the first round warms up
                found[name].append(spent)
    ratio = {name: [theirs / own for theirs, own in zip(found[name], found["ours"], strict=True)] for name in sides}
    return {
        "throughput_vs_bare_drf": round(statistics.median(ratio["drf"]), 3),
        "list_of_50_share_of_plain": round(statistics.median(ratio["plain"]), 3),
        "list_of_50_rps": round(REQUESTS / statistics.median(found["ours"]), 1),
    }


REQUESTS = 200


def _asking(port: int, path: str, headers: dict[str, str]) -> Callable[[], float]:
    def client(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for _ in range(REQUESTS // CLIENTS):
            connection.request("GET", path, headers={"Host": "localhost", **headers})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path} was answered with {answer.status}: {body[:200]!r}")
        connection.close()

    def ask() -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, range(CLIENTS)))
        return time.perf_counter() - start

    return ask


if __name__ == "__main__":
    main()
