"""A whole site in processes of its own, on any database, over scratch folders that go with it."""

import contextlib
import os
import secrets
import shutil
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

from benchmarks._common import FOREIGN, ROOT, UNTHROTTLED

START_LIMIT_S = 900
WORDS = ("front.gate", "gunicorn", "spawn_main", "celery", "mediscan_site", "images.decoding")


@dataclass
class Site:
    """`root`: its address without a path. `env`: what every process of it gets."""

    root: str
    env: dict[str, str]
    folder: Path
    process: "subprocess.Popen[bytes]"
    checkout: Path = ROOT

    def manage(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        given = {**self.env, **env}
        return subprocess.run(
            command, cwd=self.checkout, env=given, capture_output=True, text=True, timeout=1800, check=False
        )

    def pids(self) -> list[int]:
        """Its processes but the supervisor, which has nobody to start it again; nobody else's on this machine."""
        mark = f"MEDISCAN_DATA_DIR={self.env['MEDISCAN_DATA_DIR']}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
                mine = mark in (folder / "environ").read_bytes() and any(word in line for word in WORDS)
                if mine and int(folder.name) != self.process.pid and "supervisord" not in line:
                    found.append(int(folder.name))
        return sorted(found)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.root}/readyz", timeout=10).ok:
                    return
            time.sleep(0.3)
        raise SystemExit(f"The site did not start; its log:\n{(self.folder / 'log').read_text()[-3000:]}")


@contextlib.contextmanager
def site(
    database: str = "", broker: str = "", checkout: Path = ROOT, within: Path | None = None, **extra: str
) -> Iterator[Site]:
    """`manage.py serve`, up and ready. `database`: a server's address, on which it gets a database of its own; empty: SQLite.
    `checkout`: whose site; another one than this is an older commit's. `within`: a folder for all that it keeps."""
    from mediscan_site.front.supervisor import free_port

    folder = Path(tempfile.mkdtemp(prefix="mediscan-site-", dir=within))
    port = free_port()
    env = {**os.environ, **dict.fromkeys(FOREIGN, "")}
    env["PYTHONPATH"] = str(checkout)
    env |= {
        "MEDISCAN_DATA_DIR": str(folder / "data"),
        "MEDISCAN_KEYS_FILE": str(folder / "keys" / "keys.json"),
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "PORT": str(port),
        "LOG_LEVEL": "WARNING",
        **UNTHROTTLED,
        **extra,
    }
    try:
        with database_of_its_own(database) as address:
            if address:
                env |= {"DATABASE_URL": address, "SECRET_KEY": secrets.token_urlsafe(64)}
                env |= {"ALLOWED_HOSTS": "127.0.0.1,localhost", "CELERY_BROKER_URL": broker}
                making = [sys.executable, "-m", "mediscan_site.core.storage.keys", env["MEDISCAN_KEYS_FILE"]]
                subprocess.run(making, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
            with (folder / "log").open("wb") as log:
                serve = [sys.executable, "manage.py", "serve"]
                process = subprocess.Popen(serve, cwd=checkout, env=env, stdout=log, stderr=log, start_new_session=True)
                made = Site(f"http://127.0.0.1:{port}", env, folder, process, checkout)
                try:
                    made.wait_until_up()
                    yield made
                finally:
                    stop(made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(site: Site) -> None:
    site.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        site.process.wait(60)
    for pid in site.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def database_of_its_own(server: str) -> Iterator[str]:
    """The address of a new, empty database on this server, dropped afterwards. Empty in, empty out: SQLite needs none."""
    if not server:
        yield ""
        return
    name = f"mediscan_{secrets.token_hex(6)}"
    address = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    kind = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if server.startswith("mysql") else ""
    _execute(server, f"CREATE DATABASE {name}{kind}")
    try:
        yield address
    finally:
        _execute(server, f"DROP DATABASE {name}{'' if kind else ' WITH (FORCE)'}")


def _execute(server: str, statement: str) -> None:
    parts = urlsplit(server)
    if parts.scheme == "mysql":
        import MySQLdb

        connection = MySQLdb.connect(
            host=parts.hostname or "", port=parts.port or 3306, user=parts.username or "", password=parts.password or ""
        )
    else:
        import psycopg

        connection = psycopg.connect(urlunsplit(parts._replace(scheme="postgresql")), autocommit=True)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """SIGSTOP for these processes while the block runs, then SIGCONT."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
