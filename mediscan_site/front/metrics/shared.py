"""The folder in which the web processes of one machine keep their counts together, and what a scrape reads from it.

prometheus_client decides when it is first imported whether counts are shared: the parent of the web processes calls `begin`
before any of them exists. Files of processes that ended stay, or sums would fall; a new start begins with an empty folder, which
Prometheus takes for the restart that it is."""

import contextlib
import os
import shutil
import socket
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.registry import Collector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def place(folder: Path, bind: str) -> Path:
    """Of the one site that listens here: several hosts may share METRICS_DIR, and their processes have the same numbers."""
    return folder / f"{socket.gethostname()}-{bind.rpartition(':')[2]}"


def begin(folder: Path) -> None:
    """Make the folder anew, for this process's children."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[FOLDER] = str(folder)


def end(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def exposition(figures: list[Collector]) -> bytes:
    """Prometheus' text: the counts of all web processes, and the figures, each measured once."""
    folder = os.environ.get(FOLDER)
    registry = CollectorRegistry()
    if folder:
        _forget_dead(Path(folder))
        multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    for collector in figures:
        registry.register(collector)
    if folder:
        return generate_latest(registry)
    return generate_latest(REGISTRY)


def _forget_dead(folder: Path) -> None:
    """Gauges of a process that was killed. What it counted stays."""
    numbers = {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}
    for number in numbers:
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            with contextlib.suppress(FileNotFoundError):
                multiprocess.mark_process_dead(int(number), str(folder))  # type: ignore[no-untyped-call]
