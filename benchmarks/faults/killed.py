"""Kill processes of a working site at random, and see afterwards that every answer it gave was true.

While doctors upload scans, label, approve, and bring in ZIPs, SIGKILL takes one of the site's processes after the other: web,
workers, beat, decoders. The callers write down every 2xx answer. What was asked and not answered may have happened or not;
what was answered must be there: each scan with its bytes, each label, each approval, each ZIP whole. Then the audit chain and
all stored objects are verified."""

import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import requests

from benchmarks._site_process import Site, site
from benchmarks.faults._calls import PASSWORD
from benchmarks.faults._registry import ALONE, fault, must

PEOPLE = {"admin": "admin", "dr001": "doctor", "dr002": "doctor"}
CLASSES = ["NORMAL", "OPACITY"]
TIMEOUT_S = 20
SETTLE_LIMIT_S = 600
KILLS, SECONDS, SEED = 50, 60.0, 0
IN_A_ZIP = 4


@dataclass
class Journal:
    """What was answered: scans by id with the digest of what was sent, labels and approvals by scan, ZIPs by import."""

    scans: dict[int, str] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    approved: set[int] = field(default_factory=set)
    imports: dict[int, int] = field(default_factory=dict)
    unanswered: int = 0


class Caller:
    """Somebody at the API who never gives up; an answer that does not come is `None`."""

    def __init__(self, root: str, name: str, journal: Journal) -> None:
        self._root, self._name, self._journal = root, name, journal
        self._token = ""

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        if not self._token:
            answer = self._send("POST", "auth/token/", json={"username": self._name, "password": PASSWORD})
            if answer is None:
                return None
            self._token = answer["access"]
        return self._send(method, path, headers={"Authorization": f"Bearer {self._token}"}, **arguments)

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = requests.request(method, f"{self._root}/api/v1/{path}", timeout=TIMEOUT_S, **arguments)
            if answer.ok:
                return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.content
            if answer.status_code == requests.codes.unauthorized:
                self._token = ""
            elif answer.status_code < requests.codes.server_error and answer.status_code != requests.codes.conflict:
                print(f"{method} {path}: {answer.status_code} {answer.text[:200]}", flush=True)
        except (requests.RequestException, ValueError):
            pass
        self._journal.unanswered += 1
        time.sleep(0.1)
        return None


def prepared(place: Site) -> int:
    """Three people and a project; its id."""
    for name, role in PEOPLE.items():
        made = place.manage("create_user", name, "--role", role, MEDISCAN_PASSWORD=PASSWORD)
        if made.returncode:
            raise SystemExit(made.stderr)
    admin = Caller(place.root, "admin", Journal())
    project = admin.ask("POST", "projects/", json={"name": "Faults", "classes": CLASSES, "modality": "X-ray"})
    for name in ("dr001", "dr002"):
        if admin.ask("POST", f"projects/{project['id']}/members/", json={"user": name}) is None:
            raise SystemExit(f"{name} did not become a member.")
    return int(project["id"])


def scan(number: int) -> bytes:
    from images.phantoms import phantom

    out = BytesIO()
    phantom(number, 0, bool(number % 2)).resize((160, 150)).save(out, "JPEG", quality=90)
    return out.getvalue()


def upload(doctor: Caller, project: int, journal: Journal, number: int) -> None:
    content = scan(number)
    row = doctor.ask("POST", "images/", data={"project": project}, files={"file": (f"{number}.jpg", content)})
    if row is None:
        return
    journal.scans[row["id"]] = hashlib.sha256(content).hexdigest()
    wanted = CLASSES[number % 2]
    if doctor.ask("POST", "labels/", json={"image": row["id"], "label": wanted}) is not None:
        journal.labels[row["id"]] = wanted


def approve(colleague: Caller, _project: int, journal: Journal, _number: int) -> None:
    for pk in [pk for pk in list(journal.labels) if pk not in journal.approved][:5]:
        answer = colleague.ask("POST", "reviews/", json={"image": pk, "status": "approved"})
        if answer is not None:
            journal.approved.add(pk)
    time.sleep(0.2)


def bring_in(doctor: Caller, project: int, journal: Journal, number: int) -> None:
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for index in range(IN_A_ZIP):
            archive.writestr(f"{CLASSES[index % 2]}/{number}_{index}.jpg", scan(100_000 + IN_A_ZIP * number + index))
    files = {"file": (f"{number}.zip", packed.getvalue())}
    row = doctor.ask("POST", "imports/", data={"project": project}, files=files)
    if row is not None:
        journal.imports[row["id"]] = IN_A_ZIP
    time.sleep(2)


def worked(place: Site, project: int, journal: Journal, until: threading.Event) -> list[threading.Thread]:
    """Threads that work until told to stop."""
    work: list[tuple[Callable[..., None], str]] = [
        (upload, "dr001"), (upload, "dr001"), (approve, "dr002"), (bring_in, "dr001"),
    ]  # fmt: skip

    def loop(step: Callable[..., None], name: str, first: int) -> None:
        caller, number = Caller(place.root, name, journal), first
        while not until.is_set():
            step(caller, project, journal, number)
            number += 1

    threads = [
        threading.Thread(target=loop, args=(step, name, 10_000 * index)) for index, (step, name) in enumerate(work)
    ]
    for thread in threads:
        thread.start()
    return threads


def killed(place: Site, kills: int, seconds: float, chance: random.Random) -> dict[str, int]:
    """SIGKILL for `kills` processes over `seconds`; how many of each kind."""
    kinds: dict[str, int] = {}
    for _ in range(kills):
        time.sleep(chance.expovariate(kills / seconds))
        pids = place.pids()
        if not pids:
            continue
        pid = chance.choice(pids)
        try:
            kind = kind_of(pid)
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def kind_of(pid: int) -> str:
    words = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")  # noqa: PTH123, SIM115
    if "-Q" in words:
        return f"worker {words[words.index('-Q') + 1]}"
    for word, kind in (("beat", "beat"), ("decoding", "decoder"), ("front.gate", "web"), ("spawn_main", "web")):
        if any(word in part for part in words):
            return kind
    return "other"


def untrue(place: Site, project: int, journal: Journal) -> list[str]:
    """Every answer that does not hold, in words."""
    place.wait_until_up()
    reader = Caller(place.root, "admin", Journal())
    wrong = [*_imports(reader, journal)]
    for pk, digest in journal.scans.items():
        row = asked(reader, f"images/{pk}/")
        if row["received_sha256"] != digest:
            wrong.append(f"scan {pk} has other bytes than were sent")
        if hashlib.sha256(asked(reader, f"images/{pk}/file/")).hexdigest() != row["sha256"]:
            wrong.append(f"scan {pk} cannot be read back")
        if pk in journal.labels and row["label"] != journal.labels[pk]:
            wrong.append(f"scan {pk} is labelled {row['label']}, not {journal.labels[pk]}")
        if pk in journal.approved and row["approval_status"] != "approved":
            wrong.append(f"scan {pk} is {row['approval_status']}, not approved")
    for command in ("verify_audit", "verify_images"):
        result = place.manage(command)
        if result.returncode:
            wrong.append(f"{command}: {result.stdout[-500:]} {result.stderr[-500:]}")
    return wrong


def asked(caller: Caller, path: str) -> Any:
    """The answer to a question that a site at rest must answer."""
    for _ in range(5):
        answer = caller.ask("GET", path)
        if answer is not None:
            return answer
    raise SystemExit(f"GET {path} has no answer although nothing is killed any more.")


def _imports(reader: Caller, journal: Journal) -> list[str]:
    wrong = []
    deadline = time.monotonic() + SETTLE_LIMIT_S
    for pk, count in journal.imports.items():
        row = asked(reader, f"imports/{pk}/")
        while row["status"] in ("queued", "running") and time.monotonic() < deadline:
            time.sleep(0.5)
            row = asked(reader, f"imports/{pk}/")
        arrived = row["created"] + row["duplicates"]
        if row["status"] != "succeeded" or arrived != count:
            wrong.append(f"import {pk} is {row['status']} with {arrived} of {count} scans {row['error']}")
    return wrong


def run(kills: int, seconds: float, seed: int, database: str, broker: str) -> dict[str, Any]:
    """The figures of one site; `untrue` lists the answers that did not hold."""
    with site(database, broker) as place:
        project = prepared(place)
        journal, until = Journal(), threading.Event()
        threads = worked(place, project, journal, until)
        kinds = killed(place, kills, seconds, random.Random(seed))
        until.set()
        for thread in threads:
            thread.join()
        return {
            "database": (database or "sqlite").split(":")[0],
            "killed": kinds,
            "answered": {name: len(getattr(journal, name)) for name in ("scans", "labels", "approved", "imports")},
            "unanswered": journal.unanswered,
            "untrue": untrue(place, project, journal),
        }


@fault(
    "random-kills",
    "SIGKILL for 50 processes at random in a minute",
    "Every answer that was given is true afterwards",
    ALONE,
)
def random_kills(alone: Any) -> str:
    figures = run(KILLS, SECONDS, SEED, alone.database, alone.broker)
    must(not figures["untrue"], "; ".join(figures["untrue"][:3]))
    must(figures["answered"]["scans"], "no upload was answered, so nothing is shown")
    answered = ", ".join(f"{count} {name}" for name, count in figures["answered"].items())
    return (
        f"{sum(figures['killed'].values())} killed; {answered} answered and true; {figures['unanswered']} not answered"
    )
