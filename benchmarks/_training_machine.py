"""What the machine did while a part of a benchmark ran: a figure in seconds means nothing without it."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Watch:
    """Wall seconds, CPU seconds of this process and its ended children, and the cores that others kept busy meanwhile."""

    threads: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    foreign_cores: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "foreign_cores": round(self.foreign_cores, 2),
            "threads": self.threads,
            "cores": os.cpu_count(),
        }


@contextmanager
def watched() -> Iterator[Watch]:
    """Measures its body."""
    import torch

    watch = Watch(torch.get_num_threads())
    wall, own, everybody = time.perf_counter(), _own(), _everybody()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - wall
        watch.cpu_seconds = _own() - own
        watch.foreign_cores = max(0.0, (_everybody() - everybody - watch.cpu_seconds) / max(watch.seconds, 1e-9))


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _everybody() -> float:
    """CPU seconds that all processes together have used since the machine started."""
    user, nice, system, _idle, _wait, irq, soft = (
        int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + soft) / _TICKS


def code_digest() -> str:
    """The first digits of a hash over the code that trains and answers: figures of two digests are of two programs."""
    from benchmarks._common import ROOT

    digest = hashlib.sha256()
    for folder in ("training/engine", "models_registry/inference"):
        for path in sorted((ROOT / folder).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def peak_rss_mb() -> float:
    """The highest resident memory of this process so far, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
