"""The services of a site of several machines, each behind a proxy of its own: database, broker, object store, laboratory book.

Database and broker are servers that run already; nothing of them is stopped or changed but a database that is made and dropped.
The object store is moto's server, the laboratory book `mlflow server` on a second database of the same server."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests

from benchmarks._common import ROOT
from benchmarks._site_process import database_of_its_own
from benchmarks.faults._proxy import Proxy
from mediscan_site.front.supervisor import free_port

BUCKET = "mediscan-faults"
START_LIMIT_S = 900
PORTS = {"mysql": 3306, "postgres": 5432, "postgresql": 5432, "redis": 6379, "amqp": 5672}
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Services:
    """`database`: the server's address through its proxy, without a name. `env`: what the site is told of all four."""

    database: str
    env: dict[str, str]
    proxies: dict[str, Proxy]

    def heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()


@contextlib.contextmanager
def services(database: str, broker: str) -> Iterator[Services]:
    """All four, up. `database` and `broker`: the addresses of servers that answer."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mediscan-services-")))
        store = stack.enter_context(
            _running(["-m", "moto.server", "-H", "127.0.0.1", "-p"], "/moto-api/", folder / "store")
        )
        book = stack.enter_context(_book(stack.enter_context(database_of_its_own(database)), folder))
        proxies = {
            "database": _before(database),
            "broker": _before(broker),
            "store": Proxy("127.0.0.1", store),
            "book": Proxy("127.0.0.1", book),
        }
        requests.put(f"http://127.0.0.1:{store}/{BUCKET}", headers=_signed_for(), timeout=30).raise_for_status()
        env = {
            **KEYS,
            "NO_PROXY": "127.0.0.1,localhost",
            "CELERY_BROKER_URL": _through(broker, proxies["broker"]),
            "MEDIA_STORAGE_URL": f"s3://{BUCKET}/scans",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{proxies['store'].port}",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{proxies['book'].port}",
        }
        try:
            yield Services(_through(database, proxies["database"]), env, proxies)
        finally:
            for proxy in proxies.values():
                proxy.cut()


def _signed_for() -> dict[str, str]:
    """moto reads who asks off this header, and checks nothing."""
    return {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"}


def _before(address: str) -> Proxy:
    parts = urlsplit(address)
    return Proxy(parts.hostname or "127.0.0.1", parts.port or PORTS[parts.scheme])


def _through(address: str, proxy: Proxy) -> str:
    parts = urlsplit(address)
    who = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return urlunsplit(parts._replace(netloc=f"{who}127.0.0.1:{proxy.port}"))


@contextlib.contextmanager
def _book(database: str, folder: Path) -> Iterator[int]:
    parts = urlsplit(database)
    driver = {"mysql": "mysql+mysqldb"}.get(parts.scheme, "postgresql+psycopg")
    command = [
        "-m", "mlflow", "server", "--backend-store-uri", urlunsplit(parts._replace(scheme=driver)), "--artifacts-destination",
        str(folder / "artifacts"), "--workers", "1", "--host", "127.0.0.1", "--port",
    ]  # fmt: skip
    with _running(command, "/health", folder / "book") as port:
        yield port


@contextlib.contextmanager
def _running(command: list[str], path: str, log: Path) -> Iterator[int]:
    """A Python module's server, whose last argument is its port, once it answers at this path."""
    port = free_port()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT,
            # MLflow's server starts seven more processes for jobs that nobody here asks for.
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        ends = time.monotonic() + START_LIMIT_S
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"{' '.join(command)} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.3)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(address, timeout=5).ok
    return False
