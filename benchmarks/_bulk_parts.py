"""One part of `benchmarks.bulk` on the seeded site of the environment: `python -m benchmarks._bulk_parts PART`. Tells JSON."""

import argparse
import io
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

# Sealed at once.
EVENTS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--files", type=int, default=20_000)
    given = parser.parse_args()
    django.setup()
    told = PARTS[given.part](given.files)
    print(json.dumps({**told, "peak_mb": round(_peak())}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _timed(told: dict[str, Any], name: str = "") -> Iterator[None]:
    before = time.perf_counter(), time.process_time()
    yield
    told[f"{name}s"] = round(time.perf_counter() - before[0], 1)
    told[f"{name}cpu_s"] = round(time.process_time() - before[1], 2)


def _large() -> Any:
    from images.models import Project

    return Project.objects.order_by("-pk")[0]


def _snapshot(_: int) -> dict[str, Any]:
    """The data set of all scans, frozen in a transaction that is rolled back: the next run finds the site as it was."""
    from django.db import transaction

    from benchmarks._bulk_seed import approve_all
    from labeling.datasets.freezing import freeze_snapshot
    from labeling.models import SnapshotMember
    from mediscan_site.core.models import User

    told: dict[str, Any] = {}
    project, admin = _large(), User.objects.get(username="scale.admin")
    with transaction.atomic():
        approve_all(project)
        told["before_mb"] = round(_peak())
        with _timed(told):
            snapshot = freeze_snapshot(actor=admin, project=project)
        told["members"] = SnapshotMember.objects.filter(snapshot=snapshot).count()
        transaction.set_rollback(True)
    return told


def _backup(_: int) -> dict[str, Any]:
    """The first backup copies and reads all; the second one has nothing new; the third one reads everything again."""
    from django.conf import settings

    from benchmarks._bulk_seed import store_objects
    from mediscan_site.core.backup import making, services
    from mediscan_site.core.models import AuditEvent

    store_objects(_large())
    folder = Path(settings.DATA_DIR).with_name("backups")
    folder.mkdir(exist_ok=True)
    settings.BACKUP_DIR = str(folder)
    told: dict[str, Any] = {}
    for name, full in (("first_", False), ("", False), ("full_", True)):
        row = services.request_backup(actor=None)
        with _timed(told, name):
            making.run(row.pk, full=full)
        row.refresh_from_db()
        if row.status != "succeeded":
            raise SystemExit(f"The backup {row.status}: {row.error}")
        facts = AuditEvent.objects.filter(action="backup.create").order_by("-id")[0].details
        told |= {f"{name}objects": facts["objects"], f"{name}copied": facts["copied"], f"{name}read": facts["read"]}
        told["dump_mb"] = round(_size(folder / row.name / "database.age"), 1)
    return told


def _size(path: Path) -> float:
    return path.stat().st_size / 2**20


def _sweep(_: int) -> dict[str, Any]:
    """All of the store at once, as the command does, and the longest slice of housekeeping."""
    from benchmarks._bulk_seed import store_objects
    from mediscan_site.core.models import Bookmark
    from mediscan_site.core.storage import orphans

    store_objects(_large())
    told: dict[str, Any] = {}
    with _timed(told):
        told["objects"] = orphans.sweep().total
    Bookmark.objects.filter(name__startswith="orphans-").delete()
    slices = []
    while orphans.due():
        before = time.process_time()
        orphans.sweep_slice()
        slices.append(round(time.process_time() - before, 2))
    return {**told, "slices": len(slices), "longest_slice_cpu_s": max(slices)}


def _verify(_: int) -> dict[str, Any]:
    """The whole trail, read and checked."""
    from django.core.management import call_command

    from mediscan_site.core.models import AuditEvent

    told: dict[str, Any] = {"events": AuditEvent.objects.count()}
    with _timed(told):
        call_command("verify_audit", stdout=io.StringIO())
    return told


def _seal(_: int) -> dict[str, Any]:
    """New events on the trail of all the others, sealed as the worker does. They stay."""
    from django.db import transaction

    from mediscan_site.core import audit
    from mediscan_site.core.models import User

    project, admin = _large(), User.objects.get(username="scale.admin")
    audit.seal_pending()
    for _number in range(EVENTS // 1000):
        with transaction.atomic():
            audit.record_many("scan.open", actor=admin, project=project.pk, about=[(project, {})] * 1000)
    told: dict[str, Any] = {}
    with _timed(told):
        told["sealed"] = audit.seal_pending()
    return {**told, "per_second": round(told["sealed"] / told["s"])}


def _import(files: int) -> dict[str, Any]:
    """Many small files in one ZIP into the project with all the scans."""
    from benchmarks._bulk_seed import packed
    from benchmarks._many import _family
    from labeling.imports import worker
    from labeling.imports.services import start_import
    from mediscan_site.core.models import User

    admin, project = User.objects.get(username="scale.admin"), _large()
    batch = start_import(actor=admin, project=project, source=packed(files), file_name="bulk.zip")
    marks: list[tuple[int, float, float]] = []
    write_report = worker._Walk._write_report

    def noted(walk: Any, group: Any) -> None:
        write_report(walk, group)
        marks.append((len(walk.report), time.perf_counter(), _processor(_family(os.getpid()))))

    worker._Walk._write_report = noted  # type: ignore[method-assign]
    told: dict[str, Any] = {}
    with _timed(told, "all_"):
        worker.run(batch.pk)
    batch.refresh_from_db()
    if batch.status != "succeeded":
        raise SystemExit(f"The import {batch.status}: {batch.error}")
    return {**told, "files": files, **_tenths(marks, files)}


def _processor(pids: list[int]) -> float:
    """Seconds that these processes have had: the worker and its decoders."""
    # Those of its children that have ended, too.
    ticks = 0
    for pid in pids:
        try:
            said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, said[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _tenths(marks: list[tuple[int, float, float]], files: int) -> dict[str, Any]:
    """Seconds for 1,000 files, of the clock and of the processor, in each tenth after the first group."""
    clock, processor = [], []
    for tenth in range(10):
        inside = [mark for mark in marks if tenth * files <= 10 * mark[0] <= (tenth + 1) * files]
        (done, at, spent), (until, then, by_then) = inside[0], inside[-1]
        thousands = (until - done) / 1000
        clock.append(round((then - at) / thousands, 2))
        processor.append(round((by_then - spent) / thousands, 2))
    return {
        "s_per_1000": clock,
        "cpu_s_per_1000": processor,
        "last_to_first": round(clock[-1] / clock[0], 2),
        "last_to_first_cpu": round(processor[-1] / processor[0], 2),
    }


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "snapshot": _snapshot,
    "backup": _backup,
    "sweep": _sweep,
    "verify": _verify,
    "seal": _seal,
    "import": _import,
}

if __name__ == "__main__":
    main()
