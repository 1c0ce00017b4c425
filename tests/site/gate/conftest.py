"""The web processes as a site runs them, over a folder of their own. No workers: nothing here needs an answer of one."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from django.conf import settings

from mediscan_site.front.supervisor import free_port
from tests.conftest import PATIENCE_S

PASSWORD = "a long and private sentence"


@dataclass
class Web:
    root: str
    port: int
    data: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def raw(self, *parts: bytes) -> bytes:
        """What comes back until the server closes."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while block := connection.recv(65536):
                    answer += block
            return answer

    def spooled(self) -> int:
        """Bytes of the process's nameless files in the data folder, and of those with names."""
        named = sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())
        nameless = 0
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(str(self.data)) and "(deleted)" in str(link.readlink()):
                    nameless += link.stat().st_size
        return named + nameless

    def token(self, name: str = "boss") -> str:
        body = {"username": name, "password": PASSWORD}
        answer = requests.post(f"{self.root}/api/v1/auth/token/", json=body, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()["access"]


@pytest.fixture(scope="package")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {
        **keep,
        "MEDISCAN_DATA_DIR": str(folder / "data"),
        "MEDISCAN_KEYS_FILE": str(folder / "keys" / "keys.json"),
        "MEDISCAN_PASSWORD": PASSWORD,
        "OMP_NUM_THREADS": "1",
        "METRICS_TOKEN": "scrape",
    }
    for command in (
        ["migrate", "-v", "0"],
        ["collectstatic", "--noinput", "-v", "0"],
        ["create_user", "boss", "--role", "admin"],
        ["create_user", "other"],
    ):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=settings.BASE_DIR, env=env, check=True, timeout=PATIENCE_S
        )
    port, log = free_port(), folder / "web.log"
    command = [sys.executable, "-m", "mediscan_site.front.gate", "--bind", f"127.0.0.1:{port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=env, stdout=out, stderr=out)
    made = Web(f"http://127.0.0.1:{port}", port, folder / "data", process, log)
    try:
        _wait_until_up(made)
        yield made
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_until_up(web: Web) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and web.process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{web.root}/healthz", timeout=5).ok:
                return
        time.sleep(0.2)
    raise AssertionError(f"the web processes did not come up:\n{web.log.read_text()[-3000:]}")
