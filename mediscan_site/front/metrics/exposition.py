"""What a scrape is answered with: the counts of all web processes of this machine, and figures measured now."""

import contextlib
import os
from pathlib import Path
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.registry import Collector

from mediscan_site.core.errors import Unavailable
from mediscan_site.front.metrics.shared import FOLDER

GONE: Final = "The folder of the web processes' counts was removed (METRICS_DIR). Start the web processes again."


def exposition(figures: list[Collector]) -> bytes:
    """Prometheus' text. Raises Unavailable when somebody has taken the folder of the counts away."""
    folder = os.environ.get(FOLDER)
    if not folder:
        # One process: its own registry has its counts, and the figures (`figures.register`).
        return generate_latest(REGISTRY)
    if not Path(folder).is_dir():
        raise Unavailable(GONE)
    _forget_dead(Path(folder))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    for collector in figures:
        registry.register(collector)
    return generate_latest(registry)


def _forget_dead(folder: Path) -> None:
    """Gauges of a process that was killed. What it counted stays, or sums would fall."""
    numbers = {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}
    for number in numbers:
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            with contextlib.suppress(FileNotFoundError):
                multiprocess.mark_process_dead(int(number), str(folder))  # type: ignore[no-untyped-call]
