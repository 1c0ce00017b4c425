"""Requests a second of the web processes, beside gunicorn's gthread as it was used before: `make bench-security`.

Both serve at the same time, each a site of its own made the same way, with two processes each; rounds are interleaved, and a
ratio is the median over rounds of requests a second here ÷ there. A list page of the API and uploads of scans, asked by a few
clients that keep their connection. `BASE=folder` serves another checkout by gunicorn (of an older commit) instead of this one."""

import argparse
import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import _common
from benchmarks.ingest import BOUNDARY, _form

CLIENTS = 4
# Different pictures to upload.
UPLOADED = 40
GUNICORN = (
    "--worker-class",
    "gthread",
    "--workers",
    "2",
    "--threads",
    "8",
    "--no-control-socket",
    "--log-level",
    "warning",
)
Ask = Callable[[http.client.HTTPConnection], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=_common.ROOT, help="the checkout that gunicorn serves")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400, help="list pages per round; a tenth of them uploads")
    given = parser.parse_args()
    with (
        TemporaryDirectory(prefix="mediscan-bench-") as name,
        _side("ours", Path(name), _common.ROOT, "mediscan_site.front.gate") as ours,
        _side("theirs", Path(name), given.base.resolve(), "gunicorn", "mediscan_site.wsgi", *GUNICORN) as theirs,
    ):
        figures = _ratios((ours, theirs), given.rounds, given.requests)
    _common.save("web", figures)


@dataclass
class Side:
    """A served site: its name, its port, and what it is asked."""

    name: str
    port: int
    asks: dict[str, Ask]


@contextmanager
def _side(name: str, folder: Path, root: Path, module: str, *options: str) -> Iterator[Side]:
    """A site of the checkout `root` in a folder of its own, with one account; the commands and the API are those of any version."""
    password = secrets.token_urlsafe(24)
    env = {
        **dict.fromkeys(_common.FOREIGN, ""),
        "MEDISCAN_DATA_DIR": str(folder / name),
        "MEDISCAN_KEYS_FILE": str(folder / f"{name}-keys" / "keys.json"),
        "MEDISCAN_PASSWORD": password,
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "LOG_LEVEL": "WARNING",
    }
    for command in (("migrate", "--verbosity", "0"), ("create_user", "bench", "--role", "admin")):
        given = {**os.environ, **env, "PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "manage.py", *command], cwd=root, env=given, check=True)
    with _common.web_process(module, *options, root=root, **env) as port:
        yield Side(name, port, _asks(port, password))


def _asks(port: int, password: str) -> dict[str, Ask]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    json_type = {"Content-Type": "application/json"}
    who = json.dumps({"username": "bench", "password": password}).encode()
    token = _asked(connection, "POST", "/api/v1/auth/token/", who, json_type, 200)["access"]
    headers = {"Authorization": f"Bearer {token}"}
    wanted = json.dumps({"name": "bench", "classes": ["NORMAL", "OPACITY"]}).encode()
    project = _asked(connection, "POST", "/api/v1/projects/", wanted, {**headers, **json_type}, 201)["id"]
    connection.close()
    return {"list": _list(headers), "upload": _upload(headers, project)}


def _ratios(sides: tuple[Side, Side], rounds: int, requests: int) -> dict[str, Any]:
    times = {"list": requests, "upload": requests // 10}
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for what, count_of in times.items():
            # Who is first is worth something on a busy machine: they take turns.
            for side in sides if number % 2 else reversed(sides):
                spent = _seconds(side.asks[what], side.port, count_of)
                if number:  # the first round warms up
                    seconds[what, side.name].append(spent)
    return {f"{what}_rps_vs_gthread": _ratio(seconds[what, "theirs"], seconds[what, "ours"]) for what in times}


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 3)


def _seconds(ask: Ask, port: int, times: int) -> float:
    def client(_number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for _ in range(times // CLIENTS):
            ask(connection)
        connection.close()

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return time.perf_counter() - start


def _list(headers: dict[str, str]) -> Ask:
    return lambda connection: _asked(connection, "GET", "/api/v1/projects/", None, headers, 200)


def _upload(headers: dict[str, str], project: int) -> Ask:
    files, numbers = _common.jpegs(None, UPLOADED), count()
    whole = {**headers, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def ask(connection: http.client.HTTPConnection) -> None:
        number = next(numbers)
        # The same bytes twice would be a duplicate: what follows the picture's end makes another file of it.
        data = files[number % len(files)] + f"{number}".encode()
        _asked(connection, "POST", "/api/v1/images/", _form({"project": project}, number, data), whole, 201)

    return ask


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    wanted: int,
) -> Any:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != wanted:
        raise SystemExit(f"{method} {path} was answered with {answer.status}: {text[:300]!r}")
    return json.loads(text)


if __name__ == "__main__":
    main()
