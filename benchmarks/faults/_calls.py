"""Somebody at the API of a site that may be broken at the moment: every answer is kept as it came."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from benchmarks.faults._registry import Wrong, must

PASSWORD = "a long and private sentence"  # noqa: S105 -- of a site that lives for a minute
# Verdicts must not depend on speed: this is only so that nobody waits for ever.
LIMIT_S = 1800
ENDED = ("succeeded", "failed", "cancelled")
RENEWED_S = 120.0


@dataclass
class Answer:
    """`status` 0: the connection broke or nothing listened."""

    status: int
    body: Any
    headers: dict[str, str]
    seconds: float

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """What it says to a person, else its beginning."""
        errors = self.body.get("errors") if isinstance(self.body, dict) else None
        return str(errors[0].get("detail")) if errors else str(self.body)[:200]


class Caller:
    """One person's calls. `ask` never raises; `get` asks until the site answers."""

    def __init__(self, root: str, name: str) -> None:
        self.root, self.name = root, name
        self._token, self._got_at = "", 0.0
        self._getting = threading.Lock()

    def ask(self, method: str, path: str, *, timeout: float = 90, **arguments: Any) -> Answer:
        if (refused := self._renewed(timeout)) is not None:
            return refused
        return self._send(
            method, path, headers={"Authorization": f"Bearer {self._token}"}, timeout=timeout, **arguments
        )

    def _renewed(self, timeout: float) -> Answer | None:
        """Have a token that still holds; the answer where none is given. One of many threads asks for it, as a program would."""
        with self._getting:
            if self._token and time.monotonic() - self._got_at < RENEWED_S:
                return None
            body = {"username": self.name, "password": PASSWORD}
            given = self._send("POST", "auth/token/", json=body, timeout=timeout)
            if given.ok:
                self._token, self._got_at = given.body["access"], time.monotonic()
            return None if given.ok else given

    def log_in(self) -> None:
        """Have a young token, for a time in which none is given out."""
        self._token = ""
        self.get("projects/")

    def get(self, path: str, **arguments: Any) -> Any:
        """The body of a 2xx answer, asked for again while the site is not well."""
        ends = time.monotonic() + LIMIT_S
        while time.monotonic() < ends:
            answer = self.ask("GET", path, **arguments)
            if answer.ok:
                return answer.body
            must(answer.status in (0, 429, 502, 503), f"GET {path}: {answer.status} {answer.words}")
            time.sleep(0.5)
        raise Wrong(f"GET {path} is not answered in {LIMIT_S} s")

    def made(self, path: str, **arguments: Any) -> Any:
        """The body of a POST that must be accepted."""
        answer = self.ask("POST", path, **arguments)
        must(answer.ok, f"POST {path}: {answer.status} {answer.words}")
        return answer.body

    def ended(self, path: str) -> dict[str, Any]:
        """A job once it has ended."""
        return self.until(path, lambda row: row["status"] in ENDED)

    def until(self, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        ends = time.monotonic() + LIMIT_S
        row: dict[str, Any] = {}
        while time.monotonic() < ends:
            row = self.get(path)
            if holds(row):
                return row
            time.sleep(0.2)
        raise Wrong(f"{path} waits without end: {row}")

    def _send(self, method: str, path: str, *, timeout: float, **arguments: Any) -> Answer:
        began = time.monotonic()
        try:
            answer = requests.request(method, f"{self.root}/api/v1/{path}", timeout=timeout, **arguments)
        except requests.RequestException as error:
            return Answer(0, type(error).__name__, {}, time.monotonic() - began)
        if answer.status_code == requests.codes.unauthorized:
            self._token = ""
        is_json = "json" in answer.headers.get("Content-Type", "")
        body = answer.json() if is_json else answer.content
        return Answer(answer.status_code, body, _lowered(answer.headers), time.monotonic() - began)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Servers write names of headers as they like."""
    return {name.lower(): value for name, value in headers.items()}


def refused_well(answer: Answer) -> bool:
    """A refusal that says when to come again, or a connection that nobody took."""
    return answer.status == 0 or (answer.status in (429, 503) and "retry-after" in answer.headers)


def eventually(holds: Callable[[], bool], words: str, limit: float = LIMIT_S) -> None:
    """Wait until it holds; `Wrong` with these words where it does not in so many seconds."""
    ends = time.monotonic() + limit
    while not holds():
        if time.monotonic() > ends:
            raise Wrong(words)
        time.sleep(1)
