"""Many small images in one ZIP: memory while they come in, continuous progress, and a worker that is killed half-way."""

import contextlib
import io
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from benchmarks._bench import Bench, Worker, worker_process

SIDE = 64


def few(bench: Bench, count: int) -> float:
    """The same figure for a ZIP that is nothing to speak of."""
    batch = bench.start_import(_packed(count))
    with worker_process() as worker:
        worker.give(batch.pk)
        worker.wait()
        return round(sum(_peak(pid) for pid in _family(worker.process.pid)), 1)


def run(bench: Bench, count: int) -> float:
    """The highest resident memory in MiB of the import worker and its decoder together."""
    from labeling.models import Import

    batch = bench.start_import(_packed(count))
    started = time.perf_counter()
    with worker_process() as first:
        first.give(batch.pk)
        peak, seen = _watch(first, batch, until=count // 2)
    print(f"killed the worker after {seen[-1]} of {count} files")
    _give_out_again(batch)
    with worker_process() as second:
        second.give(batch.pk)
        again, more = _watch(second, batch, until=count)
        second.wait()
    steps = seen + more[1:]
    if sorted(steps) != steps or len(set(steps)) < min(20, count // 100):
        raise SystemExit(f"The progress was not continuous: {steps[:50]}")
    _check(Import.objects.get(pk=batch.pk), count)
    print(
        f"{count} files in {time.perf_counter() - started:.0f} s, with the kill; {len(set(steps))} steps of progress seen"
    )
    return round(max(peak, again), 1)


def _packed(count: int) -> io.BytesIO:
    random, out = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(count):
            small = io.BytesIO()
            pixels = random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
            Picture.fromarray(pixels).save(small, "JPEG", quality=60)
            made.writestr(f"{('NORMAL', 'OPACITY')[number % 2]}/{number:05}.jpg", small.getvalue())
    return out


def _watch(worker: Worker, batch: Any, until: int) -> tuple[float, list[int]]:
    """Peak memory and the counts of finished files as a client would see them, until that many are done."""
    from labeling.models import ImportFile

    peak, seen = 0.0, [0]
    while seen[-1] < until:
        if worker.process.poll() is not None:
            raise SystemExit("The worker died.")
        peak = max(peak, sum(_peak(pid) for pid in _family(worker.process.pid)))
        seen.append(ImportFile.objects.filter(batch=batch).count())
        time.sleep(0.1)
    return peak, seen


def _family(pid: int) -> list[int]:
    pids = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end between being listed and being read.
        with contextlib.suppress(OSError):
            pids += [int(child) for child in path.read_text().split()]
    return pids


def _peak(pid: int) -> float:
    """The most that was ever resident, in MiB, so that nothing between two looks is missed; 0 for a process that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _give_out_again(batch: Any) -> None:
    """What beat does every few seconds on a site."""
    from mediscan_site.core import sweeping
    from mediscan_site.core.models import WorkStatus

    for _ in range(300):
        sweeping.sweep()
        batch.refresh_from_db()
        if batch.status == WorkStatus.QUEUED:
            return
        time.sleep(0.2)
    raise SystemExit("The killed import was not given out again.")


def _check(batch: Any, count: int) -> None:
    """Everything exactly once: scans, labels and lines of the report."""
    from images.models import Image
    from labeling.models import ImportFile, Label

    rows = Image.objects.filter(project=batch.project_id)
    counted = {
        "status": batch.status,
        "attempts": batch.attempt,
        "scans": rows.count(),
        "labels": Label.objects.filter(image__in=rows).count(),
        "created": ImportFile.objects.filter(batch=batch, outcome="created").count(),
        "lines": ImportFile.objects.filter(batch=batch).count(),
    }
    expected = {"status": "succeeded", "attempts": 2} | dict.fromkeys(("scans", "labels", "created", "lines"), count)
    if counted != expected:
        raise SystemExit(f"Something was lost or duplicated: {counted}")
