"""Requests a second of the web processes, beside gunicorn's gthread as it was used before: `make bench-security`.

Both serve the same site at the same time, with two processes each; rounds are interleaved, and a ratio is the median over
rounds of requests a second here ÷ there. A list page of the API and uploads of scans, asked by a few clients that keep their
connection. `BASE=folder` serves another checkout by gunicorn (of an older commit) instead of this one."""

import argparse
import http.client
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import _common
from benchmarks._bench import Bench
from benchmarks.ingest import BOUNDARY, _form

CLIENTS = 4
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
    with _common.scratch_site(DECODER_PROCESSES="") as folder:
        from tests.conftest import make_user

        bench = Bench(folder, _common.jpegs(None, given.requests // 10), make_user("bench", role="admin"))
        figures = _ratios(bench, given.base, given.rounds, given.requests)
    _common.save("web", figures)


def _ratios(bench: Bench, base: Path, rounds: int, requests: int) -> dict[str, Any]:
    asks = {"list": (_list(bench), requests), "upload": (_upload(bench), requests // 10)}
    seconds: dict[str, list[float]] = {}
    with _served("mediscan_site.front.gate", _common.ROOT) as ours, _served("gunicorn", base) as theirs:
        for number in range(rounds + 1):
            for name, (ask, times) in asks.items():
                pair = (("ours", ours), ("theirs", theirs))
                # Who is first is worth something on a busy machine: they take turns.
                for whose, port in pair if number % 2 else reversed(pair):
                    spent = _seconds(ask, port, times)
                    if number:  # the first round warms up
                        seconds.setdefault(f"{name} {whose}", []).append(spent)
    return {f"{name}_rps_vs_gthread": _ratio(seconds[f"{name} theirs"], seconds[f"{name} ours"]) for name in asks}


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


def _headers(bench: Bench) -> dict[str, str]:
    from rest_framework_simplejwt.tokens import RefreshToken

    return {"Authorization": f"Bearer {RefreshToken.for_user(bench.user).access_token}"}


def _list(bench: Bench) -> Ask:
    bench.project()
    headers = _headers(bench)
    return lambda connection: _asked(connection, "GET", "/api/v1/projects/", None, headers, 200)


def _upload(bench: Bench) -> Ask:
    project, numbers = bench.project().pk, count()
    headers = {**_headers(bench), "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def ask(connection: http.client.HTTPConnection) -> None:
        number = next(numbers)
        # The same bytes twice would be a duplicate: what follows the picture's end makes another file of it.
        data = bench.files[number % len(bench.files)] + f"{number}".encode()
        _asked(connection, "POST", "/api/v1/images/", _form({"project": project}, number, data), headers, 201)

    return ask


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    wanted: int,
) -> None:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != wanted:
        raise SystemExit(f"{method} {path} was answered with {answer.status}: {text[:300]!r}")


@contextmanager
def _served(module: str, root: Path) -> Iterator[int]:
    shape = ("mediscan_site.wsgi", *GUNICORN) if module == "gunicorn" else ()
    with _common.web_process(module, *shape, root=root) as port:
        yield port


if __name__ == "__main__":
    main()
