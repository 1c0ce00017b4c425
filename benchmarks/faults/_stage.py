"""A real site on which faults are made: people, a project with approved scans, a version that is deployed."""

import contextlib
import io
import itertools
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._site_process import START_LIMIT_S, Site, site, stopped
from benchmarks.faults._calls import PASSWORD, Caller
from benchmarks.faults._proxy import Proxy
from benchmarks.faults._registry import NotHere, Wrong, must
from benchmarks.faults._services import Services, services

CLASSES = ["NORMAL", "OPACITY"]
PEOPLE = {"boss": "admin", "dr001": "doctor", "dr002": "doctor"}
# Short, as lost work is waited for; long enough for a heartbeat on a machine that does much else.
LEASE_S = 10
TRIES = 8
NETWORK = {"image_size": 32, "pretrained": "false"}
SETTINGS = {
    "WORK_LEASE_S": str(LEASE_S),
    "TRAINING_NICENESS": "0",
    "TRAINING_CHECKPOINT_S": "1",
    "MAX_WAITING_GRADES": "100000",
    "DISK_FLOOR_BYTES": "0",
}
_numbers = itertools.count(1000)


@dataclass
class Stage:
    """`place`: "machine" or "services" (`_registry`)."""

    place: str
    site: Site
    services: Services | None
    project: int = 0
    models: list[str] = field(default_factory=list)

    @property
    def boss(self) -> Caller:
        return Caller(self.site.root, "boss")

    @property
    def doctor(self) -> Caller:
        return Caller(self.site.root, "dr001")

    @property
    def colleague(self) -> Caller:
        return Caller(self.site.root, "dr002")

    def proxy(self, name: str) -> Proxy:
        if self.services is None:
            raise NotHere("this site has no services")
        return self.services.proxies[name]

    def processes(self, words: str) -> list[int]:
        """The site's processes whose command line has these words, and all that they started."""
        table = _table()
        mine = set(self.site.pids())
        found = {pid for pid in mine if words in table[pid][1]}
        while more := {pid for pid, (parent, _) in table.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def signal(self, words: str, number: signal.Signals) -> list[int]:
        pids = self.processes(words)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def started(self, words: str) -> None:
        """Wait until the supervisor has such a process again."""
        ends = time.monotonic() + START_LIMIT_S
        while not self.processes(words):
            must(time.monotonic() < ends, f"no process '{words}' was started again")
            time.sleep(0.2)

    @contextlib.contextmanager
    def stopped(self, words: str) -> Iterator[None]:
        """SIGSTOP for these processes while the block runs, then SIGCONT. Supervisor starts nothing in their place."""
        self.started(words)
        with stopped(self.processes(words)):
            yield

    def python(self, code: str, *arguments: str, **env: str) -> str:
        """What a script with the site's settings prints."""
        head = "import sys, django; django.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", head + code, *arguments],
            cwd=self.site.checkout, env={**self.site.env, **env}, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        must(done.returncode == 0, f"a script failed: {done.stderr[-600:]}")
        return done.stdout.strip()

    def upload(self, caller: Caller, **arguments: Any) -> Any:
        """One new scan with a class; the `Answer`."""
        files = {"file": (f"{next(_numbers)}.jpg", scan(next(_numbers)))}
        return caller.ask("POST", "images/", data={"project": self.project}, files=files, **arguments)

    def bring_in(self, caller: Caller, count: int) -> dict[str, Any]:
        """An import of so many new scans, queued."""
        files = {"file": ("scans.zip", packed(count))}
        return dict(caller.made("imports/", data={"project": self.project}, files=files))

    def train(self, caller: Caller, epochs: int = 3) -> dict[str, Any]:
        body = {"project": self.project, "epochs": epochs, "seed": next(_numbers), **NETWORK}
        return dict(caller.made("training-runs/", json=body))

    def have(self, models: int) -> None:
        """So many trained versions at least."""
        while len(self.models) < models:
            run = self.boss.ended(f"training-runs/{self.train(self.boss, epochs=1)['id']}/")
            must(run["status"] == "succeeded", f"the first trainings: {run['error']}")
            self.models.append(run["model"])

    def grade(self, caller: Caller, wait: int = 0) -> dict[str, Any]:
        files = {"file": ("new.jpg", scan(next(_numbers)))}
        return dict(caller.made(f"grades/?wait={wait}", data={"project": self.project}, files=files))

    def graded(self, caller: Caller) -> dict[str, Any]:
        """A grade, ended. Asked for again where its worker had not loaded its libraries at the task's time limit: that says how
        much else the machine does, and nothing about a fault."""
        for _ in range(TRIES):
            row = caller.ended(f"grades/{self.grade(caller)['id']}/")
            if "time limit" not in row["error"]:
                break
        return row

    def model_codes(self) -> set[str]:
        return {row["model_id"] for row in self.boss.get(f"models/?project={self.project}&page_size=200")["results"]}

    def settle(self) -> None:
        """All services are back, nothing is stopped, and the site says so."""
        if self.services is not None:
            self.services.heal()
        for pid in self.site.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.site.wait_until_up()

    def verify(self) -> None:
        """The chain of the trail and all stored objects, read to the last byte."""
        for command in ("verify_audit", "verify_images"):
            done = self.site.manage(command)
            must(done.returncode == 0, f"{command}: {done.stdout[-400:]} {done.stderr[-400:]}")


def _table() -> dict[int, tuple[int, str]]:
    """Of each process of the machine: its parent and its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = (parent, line)
    return found


def scan(number: int) -> bytes:
    """A small JPEG file that no other number has."""
    from images.phantoms import phantom

    out = io.BytesIO()
    phantom(number, 0, bool(number % 2)).resize((160, 150)).save(out, "JPEG", quality=90)
    return out.getvalue()


def packed(count: int) -> bytes:
    """A ZIP of so many new scans, in folders by class."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for index in range(count):
            number = next(_numbers)
            archive.writestr(f"{CLASSES[index % 2]}/{number}.jpg", scan(number))
    return out.getvalue()


@contextlib.contextmanager
def stage(place: str, database: str, broker: str, *, models: int = 1) -> Iterator[Stage]:
    """The site of one column of the table, ready for faults."""
    with contextlib.ExitStack() as stack:
        around = stack.enter_context(services(database, broker)) if place == "services" else None
        env = {**SETTINGS, **(around.env if around else {})}
        settings = {key: value for key, value in env.items() if key != "CELERY_BROKER_URL"}
        address, messages = (around.database, env["CELERY_BROKER_URL"]) if around else ("", "")
        made = Stage(place, stack.enter_context(site(address, messages, **settings)), around)
        furnish(made, models=models)
        yield made


def furnish(made: Stage, *, models: int = 1) -> None:
    """People, scans and versions."""
    for name, role in PEOPLE.items():
        done = made.site.manage("create_user", name, "--role", role, MEDISCAN_PASSWORD=PASSWORD)
        must(done.returncode == 0, done.stderr[-600:])
    stock(made, "Faults", models=models)


def stock(made: Stage, name: str, *, models: int = 1) -> None:
    """A project with scans and versions, which is the stage's from now on."""
    made.models = []
    boss, author = made.boss, made.doctor
    body = {"name": name, "classes": CLASSES, "modality": "X-ray"}
    made.project = int(boss.made("projects/", json=body)["id"])
    for member in ("dr001", "dr002"):
        boss.made(f"projects/{made.project}/members/", json={"user": member})
    job = made.bring_in(author, 48)
    row = author.ended(f"imports/{job['id']}/")
    must(row["status"] == "succeeded", f"the first import: {row}")
    made.colleague.made("reviews/", json={"import": job["id"], "status": "approved", "expected_count": 48})
    made.have(models)
    if made.models:
        boss.made(f"models/{made.models[0]}/deploy/", json={"override_reason": "faults"})


def caught(made: Stage, words: str, caller: Caller, path: str) -> bool:
    """Stop the worker as soon as the job at `path` runs. False when it had ended before: then there was nothing to catch."""
    row = caller.until(path, lambda row: row["status"] != "queued")
    if row["status"] != "running":
        return False
    made.signal(words, signal.SIGSTOP)
    time.sleep(0.2)
    return bool(caller.get(path)["status"] == "running")


def catch(made: Stage, words: str, ask: Any, path: str, tries: int = TRIES) -> tuple[dict[str, Any], Caller]:
    """A job whose worker is stopped in the middle of it: (job, who asked). `ask(caller)` starts one, `path` has {id}."""
    for _ in range(tries):
        caller = made.boss
        job = ask(caller)
        if caught(made, words, caller, path.format(id=job["id"])):
            return job, caller
        made.signal(words, signal.SIGCONT)
    raise Wrong(f"{tries} jobs ended before their worker could be stopped")
