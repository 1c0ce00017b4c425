"""Nothing is lost: damaged objects, foreign keys, an empty database beside a full store, a restore, killed processes."""

import hashlib
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from benchmarks._security import Failed, Skipped, World, check, must
from benchmarks._site_process import database_of_its_own

FLIPS = 100
MARKED = "from mediscan_site.core.models import Blob\nprint(Blob.objects.filter(quarantined_at__isnull=False).count())"
TOLD = """
from mediscan_site.core.models import AuditEvent, Notice
print(Notice.objects.count(), AuditEvent.objects.filter(action__contains="damage").count())
"""
WRITE = "from mediscan_site.core.storage import blobs\nblobs.write(b'x', namespace='1', content_type='text/plain')\nprint('stored')"


def objects(world: World) -> list[Path]:
    """The stored objects, without what the store says of itself."""
    folder = Path(world.place.env["MEDISCAN_DATA_DIR"]) / "blobs"
    known = world.python(
        "from mediscan_site.core.models import Blob\nprint(*(b.path for b in Blob.objects.all()))"
    ).stdout.split()
    return sorted(path for name in known if (path := folder / name).is_file())


def backup_folder(world: World) -> Path:
    return Path(world.place.env["BACKUP_DIR"])


@contextmanager
def at_work(world: World) -> Iterator[None]:
    """Somebody uploads all the while."""
    ended = threading.Event()

    def uploads() -> None:
        while not ended.is_set():
            # A refusal is told by the checks of uploads.
            with suppress(Failed, requests.RequestException):
                world.uploaded("colleague")
            ended.wait(0.4)

    thread = threading.Thread(target=uploads)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def downloads(world: World) -> dict[int, tuple[int, str]]:
    person = world.person("author")
    answers = {pk: person.call("GET", f"images/{pk}/file/") for pk in world.scans}
    return {pk: (answer.status_code, hashlib.sha256(answer.content).hexdigest()) for pk, answer in answers.items()}


def flipped(paths: list[Path], chance: random.Random) -> dict[Path, str]:
    """One bit of each file; the digests from before."""
    before = {}
    for path in paths:
        content = bytearray(path.read_bytes())
        before[path] = hashlib.sha256(content).hexdigest()
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    return before


@check(
    "damage.flips",
    "a bit in each of 100 stored objects, on a site in use",
    "all found, marked, told, restored; no wrong pixel",
)
def flips(world: World) -> str:
    done = world.place.manage("backup")
    must(done.returncode == 0, f"backup: {done.stderr[-300:]}")
    first, chance = downloads(world), random.Random(7)
    paths = objects(world)
    before = flipped(chance.sample(paths, min(FLIPS, len(paths))), chance)
    world.figures["flips_made"] = len(before)
    with at_work(world):
        found = world.place.manage("verify_images")
        named = found.stdout.count("damaged: ")
        world.figures["flips_found"] = named
        must(found.returncode == 1 and named == len(before), f"{named} of {len(before)} named: {found.stderr[-300:]}")
        wrong = [pk for pk, got in downloads(world).items() if got != first[pk] and got[0] == requests.codes.ok]
        must(not wrong, f"other bytes were served of {wrong}")
        marked, told = world.python(MARKED), world.python(TOLD)
        back = world.place.manage("verify_images", "--restore-from-backup")
    must(back.returncode == 0, f"not restored: {back.stdout[-200:]} {back.stderr[-300:]}")
    must(
        all(hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in before.items()),
        "restored to other bytes",
    )
    must(downloads(world) == first, "scans differ after the restore")
    must(marked.returncode or int(marked.stdout) == len(before), f"{marked.stdout.strip()} of {len(before)} marked")
    notices, events = told.stdout.split() or ("0", "0")
    must(notices != "0" and events != "0", f"{notices} notices and {events} audit events: nobody is told")
    return f"{named} of {len(before)}"


@check("keys.foreign", "a process with another valid key file", "stores nothing; not ready")
def foreign_keys(world: World) -> str:
    with tempfile.TemporaryDirectory() as folder:
        from mediscan_site.core.storage.keys import KeyRing

        KeyRing.create(Path(folder) / "keys.json")
        other = {"MEDISCAN_KEYS_FILE": f"{folder}/keys.json"}
        done = world.python(WRITE, **other)
        must("stored" not in done.stdout, "it stored an object that no other process can read")
        asked = "from mediscan_site.core import readiness\nfrom mediscan_site.front import health\nprint(readiness.states()[1])"
        ready = world.python(asked, **other)
        must("True" not in ready.stdout, "it says that it is ready")
    must("stored" in world.python(WRITE).stdout, "with its own keys the site stores nothing either")
    return "refused"


@check("store.sweep", "the housekeeping of an empty database beside a copy of the store", "no object is removed")
def sweep(world: World) -> str:
    source = Path(world.place.env["MEDISCAN_DATA_DIR"]) / "blobs"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "data" / "blobs"
        shutil.copytree(source, copy)
        old = time.time() - 3 * 86_400
        for path in copy.rglob("*"):
            os.utime(path, (old, old))
        count = sum(path.is_file() for path in copy.rglob("*"))
        other = {
            "MEDISCAN_DATA_DIR": f"{folder}/data",
            "DATABASE_URL": f"sqlite:///{folder}/empty.sqlite3",
            "CELERY_BROKER_URL": "",
        }
        other |= {"SECRET_KEY": "k3" * 40, "ALLOWED_HOSTS": "localhost", "BACKUP_DIR": ""}
        world.python("from django.core.management import call_command\ncall_command('migrate', verbosity=0)\n"
                     "from mediscan_site.core import tidy\ntidy.sweep_orphans()", **other)  # fmt: skip
        left = sum(path.is_file() for path in copy.rglob("*"))
    must(left >= count, f"{count - left} of {count} objects were removed")
    return f"{count} objects kept"


@check("backup.restore", "the newest backup onto an empty machine", "every row, object and the audit chain")
def restore(world: World) -> str:
    made = world.place.manage("backup")
    must(made.returncode == 0, f"backup: {made.stderr[-300:]}")
    identity = world.place.env["IDENTITY"]
    with tempfile.TemporaryDirectory() as folder, database_of_its_own(world.place.env.get("SERVER", "")) as address:
        other: dict[str, Any] = {
            "MEDISCAN_DATA_DIR": f"{folder}/data",
            "MEDISCAN_KEYS_FILE": f"{folder}/keys/keys.json",
            "BACKUP_DIR": "",
        }
        other |= {"DATABASE_URL": address}
        signer = next(
            (
                line.split()[-1]
                for line in world.place.manage("backup", "--list").stdout.splitlines()
                if "signer" in line.lower()
            ),
            "",
        )
        began = time.monotonic()
        done = world.place.manage(
            "restore",
            str(backup_folder(world)),
            "--identity",
            identity,
            *(["--signer", signer] if signer else []),
            **other,
        )
        seconds = time.monotonic() - began
        must(done.returncode == 0, f"{done.stdout[-200:]} {done.stderr[-400:]}")
        counted = "from images.models import Image\nprint(Image.objects.count())"
        here, there = world.python(counted).stdout, world.python(counted, **other).stdout
        must(here == there, f"{there.strip()} scans of {here.strip()}")
    if int(here) >= 2000:
        world.figures["restore_seconds_2000"] = round(seconds, 1)
    return f"{here.strip()} scans in {seconds:.1f} s"


def killed(engine: str, server: str, broker: str, kills: int, seconds: float) -> str:
    """A site of its own, so that what it does to its processes disturbs no other check."""
    from benchmarks import faults

    if engine == "postgresql":
        raise Skipped("made on SQLite and MariaDB")
    figures = faults.run(kills, seconds, 0, server, broker)
    must(not figures["untrue"], "; ".join(figures["untrue"])[:400])
    return f"{sum(figures['killed'].values())} killed, {sum(figures['answered'].values())} answers true"
