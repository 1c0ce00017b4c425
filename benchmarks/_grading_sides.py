"""Who is asked in `benchmarks.grading`: this site or an older one, and `mlflow models serve`."""

import base64
import contextlib
import functools
import http.client
import io
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import _common, _site_process
from benchmarks.ingest import BOUNDARY, _form

CLIENTS = 8
# So many scans are sent before one comes again, with other bytes and the same picture.
DIFFERENT = 600
Ask = Callable[[http.client.HTTPConnection, int], None]


@dataclass
class Side:
    """Who is asked. `seconds`: of each request; `rates`: requests a second of each turn; `cpu`: processor seconds of its
    processes for each request of a turn."""

    port: int
    ask: Ask
    pids: Callable[[], list[int]]
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    count: Iterator[int] = field(default_factory=itertools.count)

    def turn(self, requests: int, clients: int = CLIENTS) -> list[float]:
        """The seconds of each request."""

        def client(_number: int) -> list[float]:
            connection, spent = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300), []
            for _ in range(max(1, requests // clients)):
                began = time.perf_counter()
                self.ask(connection, next(self.count))
                spent.append(time.perf_counter() - began)
            connection.close()
            return spent

        before, began = _cpu(self.pids()), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            spent = [one for part in pool.map(client, range(clients)) for one in part]
        self.rates.append(len(spent) / (time.perf_counter() - began))
        self.cpu.append((_cpu(self.pids()) - before) / len(spent))
        self.seconds += spent
        return spent


def _cpu(pids: list[int]) -> float:
    """Processor seconds that these processes have spent, and those of theirs that have ended."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


@functools.cache
def _files() -> list[bytes]:
    """Scans of 1,024 pixels that do not resemble each other: looking for near-duplicates is no part of a grade."""
    import numpy as np
    from PIL import Image

    rng, files = np.random.default_rng(0), []
    for data in itertools.islice(itertools.cycle(_common.jpegs(None, 24)), DIFFERENT):
        with Image.open(io.BytesIO(data)) as picture:
            scan = np.asarray(picture.convert("L"), dtype=np.float32)
        cells = Image.fromarray(rng.uniform(0.3, 1.2, (16, 16)).astype(np.float32)).resize(
            scan.shape[::-1], Image.Resampling.BICUBIC
        )
        target = io.BytesIO()
        Image.fromarray((scan * np.asarray(cells)).clip(0, 255).astype(np.uint8)).save(target, "JPEG", quality=90)
        files.append(target.getvalue())
    return files


def grades(site: _site_process.Site, made: dict[str, Any]) -> Side:
    files = _files()
    headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def ask(connection: http.client.HTTPConnection, number: int) -> None:
        # The same bytes twice would be a duplicate: what follows the picture's end makes another file of it.
        body = _form({"project": made["project"]}, number, files[number % len(files)] + f"{number}".encode())
        connection.request("POST", "/api/v1/grades/?wait=60", body, headers)
        answer = json.loads(_checked(connection, 201, 202))
        while answer["status"] in ("queued", "running"):
            # An older checkout on a busy machine needs longer than anybody may wait.
            time.sleep(0.05)
            connection.request("GET", f"/api/v1/grades/{answer['id']}/", headers=headers)
            answer = json.loads(_checked(connection, 200))
        if answer["status"] != "succeeded":
            raise SystemExit(f"A grade failed: {answer}")

    return Side(int(site.root.rpartition(":")[2]), ask, site.pids)


def _checked(connection: http.client.HTTPConnection, *wanted: int) -> bytes:
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in wanted:
        raise SystemExit(f"Answered with {answer.status}: {text[:500]!r}")
    return text


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[Side]:
    from PIL import Image

    from mediscan_site.front.supervisor import free_port

    bodies = []
    for data in _common.jpegs(None, 24):
        target = io.BytesIO()
        with Image.open(io.BytesIO(data)) as picture:
            picture.convert("L").resize((256, 256), Image.Resampling.BILINEAR).save(target, "PNG")
        rows = {"columns": ["image"], "data": [[base64.b64encode(target.getvalue()).decode()]]}
        bodies.append(json.dumps({"dataframe_split": rows}).encode())

    def ask(connection: http.client.HTTPConnection, number: int) -> None:
        connection.request("POST", "/invocations", bodies[number % len(bodies)], {"Content-Type": "application/json"})
        _checked(connection, 200)

    port = free_port()
    serve = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", str(folder / "mlflow0")]
    serve += ["--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(serve, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(port, "/ping", folder / "mlflow.log")
            yield Side(port, ask, lambda: _group(process.pid))
        finally:
            for pid in _group(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 15)
            process.wait(60)


def _group(leader: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(path.name)) == leader:
                found.append(int(path.name))
    return found


def _wait_for(port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.3)
    raise SystemExit(f"mlflow models serve did not start:\n{log.read_text()[-2000:]}")
