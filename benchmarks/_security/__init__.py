"""The checks of `make security`: one table, each row run against a real site on each database.

A check is a function that gets the world (a running site with people, a project and scans) and returns what it saw; it raises
`Failed` with what it saw instead, or `Skipped` with the reason. Only harmless input, only against a site of our own.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from benchmarks._common import ROOT
from benchmarks._security.pipe import Pipe
from benchmarks._site_process import Site

PASSWORD = "a long and private sentence"  # noqa: S105 -- of a site that lives for minutes
CLASSES = ["NORMAL", "OPACITY"]
PATIENCE_S = 120


class Failed(Exception):
    """The site did something else than it should."""


class Skipped(Exception):
    """The check could not be made here."""


@dataclass(frozen=True)
class Check:
    """`spoils`: what it does cannot be taken back (an event forged into the trail), so it runs after all others."""

    id: str
    what: str
    expected: str
    run: Callable[["World"], str]
    spoils: bool = False


CHECKS: list[Check] = []


def check(
    id: str, what: str, expected: str, *, spoils: bool = False
) -> Callable[[Callable[["World"], str]], Callable[["World"], str]]:
    """Put a function into the table."""

    def added(run: Callable[["World"], str]) -> Callable[["World"], str]:
        CHECKS.append(Check(id, what, expected, run, spoils))
        return run

    return added


def must(holds: object, instead: str) -> None:
    if not holds:
        raise Failed(instead)


@dataclass
class Person:
    """Somebody at the API."""

    root: str
    name: str
    password: str = PASSWORD
    _token: str = ""
    _until: float = 0

    @property
    def token(self) -> str:
        if time.monotonic() > self._until:
            self._token, self._until = self.log_in()["access"], time.monotonic() + 300
        return self._token

    def log_in(self) -> dict[str, str]:
        body = {"username": self.name, "password": self.password}
        answer = requests.post(f"{self.root}/api/v1/auth/token/", json=body, timeout=PATIENCE_S)
        must(answer.ok, f"{self.name} cannot log in: {answer.status_code} {answer.text[:200]}")
        return dict(answer.json())

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = f"{self.root}{path if path.startswith('/') else f'/api/v1/{path}'}"
        return requests.request(method, url, headers=headers, timeout=options.pop("timeout", PATIENCE_S), **options)

    def json(self, method: str, path: str, **options: Any) -> Any:
        answer = self.call(method, path, **options)
        must(answer.ok, f"{self.name}: {method} {path} is {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None


@dataclass
class World:
    """A running site, and what the checks may count on. `figures`: what they measured, for benchmarks/results/."""

    place: Site
    engine: str
    figures: dict[str, Any] = field(default_factory=dict)
    project: int = 0
    scans: list[int] = field(default_factory=list)
    made: int = 0
    # The way to the database, which can fall silent; None on SQLite.
    pipe: Pipe | None = None

    def person(self, name: str) -> Person:
        return Person(self.place.root, name)

    def python(self, code: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Python with the site's settings, as somebody on the server could run it."""
        command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
        given = {**self.place.env, **env}
        return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=600, check=False)

    def scan(self) -> bytes:
        """A small picture that no other is equal to."""
        from benchmarks.faults import scan

        self.made += 1
        return scan(500_000 + self.made)

    def uploaded(self, name: str = "author", **fields: Any) -> int:
        data = {"project": self.project, **fields}
        files = {"file": (f"{self.made}.jpg", self.scan())}
        return int(self.person(name).json("POST", "images/", data=data, files=files)["id"])


ROLES = {"boss": "admin", "author": "doctor", "colleague": "doctor", "outsider": "doctor"}


def furnished(place: Site, engine: str, scans: int) -> World:
    """The world: an administrator, two members, somebody who is none, and a project with scans."""
    world = World(place, engine)
    for name, role in ROLES.items():
        done = place.manage(
            "create_user", name, "--role", role, "--email", f"{name}@hospital.example", MEDISCAN_PASSWORD=PASSWORD
        )
        must(done.returncode == 0, done.stderr)
    boss = world.person("boss")
    world.project = boss.json("POST", "projects/", json={"name": "Chests", "classes": CLASSES, "modality": "X-ray"})[
        "id"
    ]
    for name in ("author", "colleague"):
        boss.json("POST", f"projects/{world.project}/members/", json={"user": name})
    world.scans = [world.uploaded(patient=f"MRN-{number:05}") for number in range(scans)]
    return world
