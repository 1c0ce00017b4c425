"""Grades beside what else answers: `make bench-grading`.

Sides of one run, up at the same time, asked in turns by the same clients: this site, `mlflow models serve` of the very version
that it has deployed, and with BASE=folder the site of an older checkout with the same bundle. Ratios are medians over the
turns; milliseconds are this machine's. What was not measured is null.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from benchmarks import _common, _grading_network, _site_process
from benchmarks._grading_load import Load, stored_batch
from benchmarks._grading_sides import CLIENTS, Side, grades, mlflow, p95

PARTS = ("network", "serving", "redis", "scale", "training", "deploys", "cold", "knowing", "watching")
KEYS = (
    "fp32_vs_eager", "int8_vs_eager", "committee_vs_eager", "committee_int8_vs_eager",
    "full_grade_vs_usual", "stack_added_ms_median",
    "stack_added_ms_median_redis", "stack_throughput_share", "throughput_vs_mlflow_serve", "throughput_vs_153c71b",
    "batch_vs_mlflow_serve", "p95_vs_153c71b", "p95_ms_while_training", "p95_training_vs_without", "cold_start_ms",
    "cold_start_vs_warm", "deploys", "deploys_failed_requests", "two_processes_vs_one", "deploy_reaches_all_ms",
    "deploy_old_answers",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="the checkout of an older commit, to be one side")
    parser.add_argument("--redis", default="", help="a Redis address: one client is measured with it too")
    parser.add_argument("--database", default="", help="a server: with it and Redis two machines are measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=80, help="for each side and turn; an older checkout gets a quarter"
    )
    parser.add_argument("--data", type=Path, help="a folder of real scans, for the figures of not knowing and watching")
    parser.add_argument("--only", default=",".join(PARTS), help="some of the parts; the others keep their figures")
    given = parser.parse_args()
    parts = given.only.split(",")
    # What part of it was measured is kept as soon as it is: all of it takes long.
    figures: dict[str, Any] = dict.fromkeys(KEYS) | _known(whole=parts == list(PARTS))
    if "network" in parts:
        _keep(figures, _grading_network.figures(4 * given.rounds))
    folder = Path(tempfile.mkdtemp(prefix="mediscan-grading-"))
    try:
        if {"serving", "redis", "training", "deploys", "cold"} & set(parts):
            with _site_process.site(MAX_WAITING_GRADES="100000") as ours:
                made = _set_up(ours, folder)
                _served(ours, made, folder, given, parts, figures)
        if "redis" in parts and given.redis:
            _keep(figures, _with_redis(folder, given))
        if "scale" in parts and given.redis and given.database:
            _keep(figures, _on_two_machines(folder, given))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if {"knowing", "watching"} & set(parts):
        _keep(figures, _of_data(given.data, parts))
    _common.save("grading", figures)


def _of_data(data: Path | None, parts: list[str]) -> dict[str, Any]:
    """What real scans show; both parts look at the same models."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mediscan-models-") as kept, _common.scratch_site():
        for part in ("knowing", "watching"):
            if part in parts:
                found |= importlib.import_module(f"benchmarks.{part}").figures(data, Path(kept))
    return found


def _known(*, whole: bool) -> dict[str, Any]:
    path = _common.RESULTS / "grading.json"
    return {} if whole or not path.exists() else dict(json.loads(path.read_text()))


def _keep(figures: dict[str, Any], more: dict[str, Any]) -> None:
    figures |= more
    _common.save("grading", figures)


def _set_up(site: _site_process.Site, folder: Path, *more: str) -> dict[str, Any]:
    script = str(Path(__file__).with_name("_grading_setup.py"))
    command = [sys.executable, script, str(folder), *more]
    done = subprocess.run(command, cwd=site.checkout, env=site.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The site in {site.checkout} could not be set up:\n{done.stderr[-3000:]}")
    return dict(json.loads((folder / "made.json").read_text()))


def _served(
    site: _site_process.Site,
    made: dict[str, Any],
    folder: Path,
    given: argparse.Namespace,
    parts: list[str],
    figures: dict[str, Any],
) -> None:
    ours = grades(site, made)
    ours.turn(16)
    _await_graph(site)
    ours.turn(16)
    if "serving" in parts:
        _keep(figures, _compared(site, ours, made, folder, given))
    if "training" in parts:
        quiet = p95(ours.turn(given.requests))
        with Load(site.env):
            busy = p95(ours.turn(given.requests))
        found = {"p95_ms_while_training": round(1000 * busy, 1), "p95_training_vs_without": round(busy / quiet, 3)}
        _keep(figures, found)
    if "deploys" in parts:
        from benchmarks import _grading_deploys

        _keep(figures, _grading_deploys.figures(site, made))
    if "cold" in parts:
        _keep(figures, _cold(site))


def _compared(
    site: _site_process.Site, ours: Side, made: dict[str, Any], folder: Path, given: argparse.Namespace
) -> dict[str, Any]:
    """Eight clients in turns with every side; stored scans in a batch; one client beside the network alone."""
    with mlflow(folder) as peer, _older(given.base, folder) as older:
        sides = {"ours": ours, "mlflow": peer, **({"base": older} if older else {})}
        batches, alone = [], []
        for number in range(given.rounds + 1):
            for name, side in sides.items():
                requests = max(CLIENTS, given.requests // 4) if name == "base" else given.requests
                side.turn(requests)
                print(
                    f"round {number}, {name}: {side.rates[-1]:.1f}/s, {1000 * side.cpu[-1]:.0f} ms of processor each",
                    flush=True,
                )
            batches.append(stored_batch(site, made, given.requests))
            alone.append(ours.turn(12, clients=1))
            ours.rates.pop(), ours.cpu.pop()
            ours.seconds = ours.seconds[:-12]
            if not number:  # the first round warms up
                batches.clear(), alone.clear()
                for side in sides.values():
                    side.rates.clear(), side.cpu.clear(), side.seconds.clear()
    network_ms = _network_ms(folder)
    return {
        **_ratios(sides, batches),
        "stack_added_ms_median": round(1000 * statistics.median(itertools.chain(*alone)) - network_ms, 1),
        "network_ms_median": round(network_ms, 1),
        "stack_throughput_share": round(statistics.median(ours.rates) * network_ms / 1000, 3),
        **{f"{name}_per_second": round(statistics.median(side.rates), 2) for name, side in sides.items()},
        **{f"{name}_p95_ms": round(1000 * p95(side.seconds), 1) for name, side in sides.items()},
        **{f"{name}_cpu_ms": round(1000 * statistics.median(side.cpu), 1) for name, side in sides.items()},
        "batch_per_second": round(statistics.median(batches), 2),
    }


def _ratios(sides: dict[str, Side], batches: list[float]) -> dict[str, float | None]:
    ours, peer, base = sides["ours"], sides["mlflow"], sides.get("base")

    def over(one: list[float], other: list[float]) -> float:
        return round(statistics.median(a / b for a, b in zip(one, other, strict=True)), 3)

    return {
        "throughput_vs_mlflow_serve": over(ours.rates, peer.rates),
        "batch_vs_mlflow_serve": over(batches, peer.rates),
        "throughput_vs_153c71b": over(ours.rates, base.rates) if base else None,
        "p95_vs_153c71b": round(p95(ours.seconds) / p95(base.seconds), 3) if base else None,
    }


@contextlib.contextmanager
def _older(checkout: Path | None, folder: Path) -> Iterator[Side | None]:
    if checkout is None:
        yield None
        return
    with _site_process.site(checkout=checkout, MAX_WAITING_GRADES="100000") as site:
        yield grades(site, _set_up(site, folder, "--onto"))


def _network_ms(folder: Path) -> float:
    """One answer of the deployed bundle's graph, on the threads that a grade worker has."""
    import numpy as np

    from models_registry.inference import graph
    from models_registry.inference.bundle import unpack
    from models_registry.inference.predictor import Predictor

    predictor = Predictor(unpack((folder / "bundle0").read_bytes()))
    data = graph.export(predictor.networks, predictor.manifest, predictor.digest)
    served = graph.Graph(data, predictor.manifest, threads=os.cpu_count() or 1)
    tile, seconds = np.zeros((1, 256, 256), dtype=np.uint8), []
    for _ in range(30):
        began = time.perf_counter()
        served.run(tile)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def _with_redis(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    with _site_process.site(MAX_WAITING_GRADES="100000", CELERY_BROKER_URL=given.redis) as site:
        side = grades(site, _set_up(site, folder, "--onto"))
        side.turn(16, clients=1)
        _await_graph(site)
        side.turn(16, clients=1)
        spent = side.turn(12 * given.rounds, clients=1)
    return {"stack_added_ms_median_redis": round(1000 * statistics.median(spent) - _network_ms(folder), 1)}


def _on_two_machines(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import _grading_scale

    settings = {"MAX_WAITING_GRADES": "100000", "GRADE_THREADS": "1", "MEDIA_STORAGE_URL": f"file://{folder}/store"}
    with _site_process.site(given.database, given.redis, **settings) as site:
        made = _set_up(site, folder, *(["--onto"] if (folder / "bundle0").exists() else []))
        side = grades(site, made)
        side.turn(16)
        _await_graph(site)
        side.turn(_grading_scale.BATCH)
        return _grading_scale.figures(site, made, given.rounds)


def _await_graph(site: _site_process.Site) -> None:
    """Until what is deployed is served by its graph: making one in the background takes a core for some seconds."""
    for _ in range(180):
        if requests.get(f"{site.root}/readyz", timeout=10).json()["parts"].get("graph") == "ok":
            return
        time.sleep(1)
    raise SystemExit("No graph was made of what is deployed.")


def _cold(site: _site_process.Site) -> dict[str, Any]:
    """The first grade of a worker that has just loaded its version, beside its later ones."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._grading_cold"],
        cwd=site.checkout, env=site.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
