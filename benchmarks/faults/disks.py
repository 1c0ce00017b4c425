"""Disks that are full: small ones of our own, in memory, filled to the brim."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._site_process import site
from benchmarks.faults._calls import eventually
from benchmarks.faults._registry import ALONE, NotHere, fault, must
from benchmarks.faults._stage import SETTINGS, Stage, furnish

SITE_MIB, BACKUP_MIB = 600, 64
FLOOR_MIB = 30
MIB, PAGE = 2**20, 2**12
# More than what the site frees and takes by itself meanwhile.
LEFT_MIB = 10


@contextlib.contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    """A file system of its own of so many MiB, in memory. Only root may mount one."""
    if os.geteuid() != 0:
        raise NotHere("a small disk is mounted by root alone")
    folder = Path(tempfile.mkdtemp(prefix="mediscan-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise NotHere(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a process that is just ending may still hold a file there.
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        folder.rmdir()


@contextlib.contextmanager
def full(disk: Path, left_mib: int = 0) -> Iterator[None]:
    """Nothing but so many MiB is free on the disk while the block runs."""
    filler = disk / "filler"
    try:
        with filler.open("wb") as out:
            _fill(out.fileno(), disk, left_mib * MIB)
        yield
    finally:
        filler.unlink()


def _fill(descriptor: int, disk: Path, left: int) -> None:
    """In steps that become smaller: others write there at the same time, and a step that finds no room takes none."""
    step, size = 16 * MIB, 0
    while step >= PAGE:
        found = os.statvfs(disk)
        if found.f_bavail * found.f_frsize - step < left:
            step //= 4
            continue
        try:
            os.posix_fallocate(descriptor, size, step)
        except OSError:
            step //= 4
        else:
            size += step


@contextlib.contextmanager
def on_a_small_disk(models: int = 0, **extra: str) -> Iterator[tuple[Stage, Path]]:
    """A site that keeps all that it has on a small disk."""
    with small_disk(SITE_MIB) as disk:
        settings = {**SETTINGS, "DISK_FLOOR_BYTES": str(FLOOR_MIB * MIB), **extra}
        with site(within=disk, **settings) as made:
            stage = Stage("machine", made, None)
            furnish(stage, models=models)
            yield stage, disk


@fault(
    "disk-upload",
    "The site's disk is full in uploads",
    "507 in words; signing in, reading and labels go on; then as before",
    ALONE,
)
def disk_upload(_alone: Any) -> str:
    with on_a_small_disk() as (stage, disk):
        doctor = stage.doctor
        first = stage.upload(doctor)
        must(first.ok, f"{first.status} {first.words}")
        with full(disk, LEFT_MIB):
            refused = stage.upload(doctor)
            must(refused.status == 507, f"an upload is answered {refused.status} {refused.words}")
            label = {"image": first.body["id"], "label": "NORMAL"}
            reads = [
                stage.colleague.ask("GET", f"images/{first.body['id']}/file/"),
                doctor.ask("POST", "labels/", json=label),
            ]
            must(all(one.ok for one in reads), f"{[(one.status, one.words) for one in reads]}")
        again = stage.upload(doctor)
        must(again.ok, f"with room again: {again.status} {again.words}")
        stage.verify()
    return f"507 “{refused.words}”; reading and labelling went on; accepted again with room"


@fault(
    "disk-training",
    "The site's disk is full in a training",
    "It waits, says why, and goes on by itself with room",
    ALONE,
)
def disk_training(_alone: Any) -> str:
    with on_a_small_disk() as (stage, disk):
        boss = stage.boss
        job = stage.train(boss, epochs=40)
        path = f"training-runs/{job['id']}/"
        boss.until(path, lambda row: len(row["metrics"]) >= 1)
        with full(disk, LEFT_MIB):
            row = boss.until(path, lambda row: row["status"] != "running" or len(row["metrics"]) == 40)
            said = row["error"]
            must(
                row["status"] == "queued" and "disk is full" in said, f"{row['status']} {said} at {len(row['metrics'])}"
            )
        row = boss.ended(path)
        must(row["status"] == "succeeded", f"{row['status']} {row['error']}")
        must([one["epoch"] for one in row["metrics"]] == list(range(1, 41)), "epochs are missing or there twice")
        stage.verify()
    return f"waited: “{said}”; went on by itself to its last epoch"


@fault(
    "disk-backup",
    "The disk of the backups is full",
    "The backup fails in words and a notice; the next one is whole",
    ALONE,
)
def disk_backup(_alone: Any) -> str:
    with small_disk(BACKUP_MIB) as backups, _backed_up(backups) as stage:
        with full(backups, 0):
            done = stage.site.manage("backup")
            words = (done.stderr.strip().splitlines() or [""])[-1].removeprefix("CommandError: ")
            must(
                done.returncode and words and "Traceback" not in done.stderr,
                f"exit {done.returncode}: {done.stderr[-400:]}",
            )
            told = stage.python(NOTICE)
            must(words in told, f"administrators are told “{told}”")
        again = stage.site.manage("backup")
        must(again.returncode == 0, again.stderr[-400:])
        checked = stage.site.manage("backup", "--verify")
        must(checked.returncode == 0, checked.stderr[-400:])
        must(not stage.python(NOTICE), "the notice stands although a whole one was made")
    return f"“{words}”, also as a notice; with room again a whole one, read back to its last byte"


NOTICE = "from mediscan_site.core.backup.selectors import notice\nprint(notice())"


@contextlib.contextmanager
def _backed_up(backups: Path) -> Iterator[Stage]:
    """A site with a whole backup on that disk. A weekly one, after which the clock asks for none."""
    settings = {**SETTINGS, "BACKUP_DIR": str(backups)}
    with site(**settings) as made:
        stage = Stage("machine", made, None)
        furnish(stage, models=0)
        # Refused while the clock's own is at work.
        eventually(lambda: stage.site.manage("backup", "--kind", "weekly").returncode == 0, "no backup is made")
        yield stage
