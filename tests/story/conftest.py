"""The real site: `manage.py serve` with its web, worker and beat processes over a folder of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from images import phantoms
from mediscan_site.front.supervisor import port_is_free
from tests.conftest import PATIENCE_S
from tests.contract import Contract

PASSWORD = "a long and private sentence"
CLASSES = ["NORMAL", "OPACITY"]
RENEWED_S = 120.0


@dataclass
class Site:
    root: str
    env: dict[str, str]
    process: "subprocess.Popen[bytes]"

    def manage(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def as_user(self, name: str) -> "Caller":
        return Caller(self.root, name)

    def logged(self, words: str) -> list[str]:
        """The lines of the site's log that contain the words."""
        log = Path(self.env["MEDISCAN_DATA_DIR"]).parent / "site.log"
        return [line for line in log.read_text(errors="replace").splitlines() if words in line]

    def pids(self, words: str) -> list[int]:
        """The site's processes whose command line contains the words (nobody else's on the machine)."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environ = (folder / "environ").read_bytes()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if words in line and f"MEDISCAN_DATA_DIR={self.env['MEDISCAN_DATA_DIR']}".encode() in environ:
                    found.append(int(folder.name))
        return sorted(found)

    def started(self, words: str) -> list[int]:
        """The same, once there are some."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.pids(words)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def kill(self, words: str) -> list[int]:
        killed = self.started(words)
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return killed


@dataclass
class Caller:
    root: str
    name: str
    _token: str = ""
    _got_at: float = 0.0

    @property
    def token(self) -> str:
        """An access token that is young: it lives for a quarter of an hour, and a story on a busy machine is longer."""
        if not self._token or time.monotonic() - self._got_at > RENEWED_S:
            body = {"username": self.name, "password": PASSWORD}
            answer = requests.post(f"{self.root}/api/v1/auth/token/", json=body, timeout=PATIENCE_S)
            assert answer.status_code == 200, answer.text
            self._token, self._got_at = answer.json()["access"], time.monotonic()
        return self._token

    def __call__(self, method: str, path: str, *, expect: int | tuple[int, ...] = 200, **arguments):
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        answer = requests.request(method, f"{self.root}{path}", headers=headers, timeout=PATIENCE_S, **arguments)
        expected = expect if isinstance(expect, tuple) else (expect,)
        assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.json() if is_json else answer

    def wait(self, path: str, *, until=None):
        """The job once it has ended (or `until` holds)."""
        done = until or (lambda row: row["status"] in ("succeeded", "failed", "cancelled"))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            row = self("GET", path)
            if done(row):
                return row
            time.sleep(0.2)
        raise AssertionError(f"{path} did not get there in {PATIENCE_S} s: {row}")


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    port = quiet_port()
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {
        **keep,
        "MEDISCAN_DATA_DIR": str(folder / "data"),
        "MEDISCAN_KEYS_FILE": str(folder / "keys" / "keys.json"),
        "PORT": str(port),
        # Short, as killed workers are waited for; long enough for a heartbeat on a machine that does much else.
        "WORK_LEASE_S": "10",
        "OMP_NUM_THREADS": "1",
        # A training that steps back for everybody would never get its turn beside another suite.
        "TRAINING_NICENESS": "0",
    }
    with (folder / "site.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=settings.BASE_DIR,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        made = Site(f"http://127.0.0.1:{port}", env, process)
        try:
            _wait_until_up(made, folder / "site.log")
            for name, role in (("boss", "admin"), ("dr001", "doctor"), ("dr002", "doctor")):
                done = made.manage("create_user", name, "--role", role, MEDISCAN_PASSWORD=PASSWORD)
                assert done.returncode == 0, done.stderr
            with held_to_its_document(made):
                yield made
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while made.pids("mediscan_site") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert made.pids("mediscan_site") == [], "processes outlived the site"


@contextlib.contextmanager
def held_to_its_document(site: Site):
    """Whatever the site's API answers meanwhile, to whichever test, is held against the document that it gives of itself."""
    contract = Contract(site.as_user("boss")("GET", "/api/schema/"))
    send = requests.Session.send

    def checked(session: requests.Session, request: requests.PreparedRequest, **options):
        answer = send(session, request, **options)
        if request.url.startswith(f"{site.root}/api/"):
            body = None if options.get("stream") else answer.content
            kind = answer.headers.get("Content-Type", "")
            contract.require(request.method, urlsplit(request.url).path, answer.status_code, kind, body)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", checked)
        yield


def quiet_port() -> int:
    """A port that nothing listens on, and that no connection of another test is given meanwhile: those begin at 32768."""
    first = 20_000 + os.getpid() % 10_000
    return next(port for port in range(first, first + 1000) if port_is_free(port))


def _wait_until_up(site: Site, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and site.process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{site.root}/healthz", timeout=60).ok:
                return
        time.sleep(0.2)
    raise AssertionError(f"the site did not come up:\n{log.read_text()[-3000:]}")


def jpeg(picture) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def phantom_zip(patients: int, scans: int, *, seed: int) -> bytes:
    """A ZIP in the layout of data sets."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        rows = ["image_id,label,split,patient"]
        for item in phantoms.iterate(patients, scans, seed=seed):
            archive.writestr(f"{item.split}/{item.label}/{item.image_id}", jpeg(item.image))
            rows.append(f"{item.image_id},{item.label},{item.split},{item.patient}")
        archive.writestr("labels.csv", "\n".join(rows))
    return out.getvalue()


@pytest.fixture(scope="package")
def loaded(site):
    """A project with approved phantoms, made through the API."""
    boss, author, colleague = (site.as_user(name) for name in ("boss", "dr001", "dr002"))
    project = boss("POST", "/api/v1/projects/", json={"name": "Killed workers", "classes": CLASSES}, expect=201)["id"]
    for name in ("dr001", "dr002"):
        boss("POST", f"/api/v1/projects/{project}/members/", json={"user": name}, expect=201)
    files = {"file": ("scans.zip", phantom_zip(24, 2, seed=3))}
    job = author("POST", "/api/v1/imports/", data={"project": project}, files=files, expect=202)
    done = author.wait(f"/api/v1/imports/{job['id']}/")
    assert (done["status"], done["created"]) == ("succeeded", 48), done
    body = {"import": job["id"], "status": "approved", "expected_count": 48}
    colleague("POST", "/api/v1/reviews/", json=body)
    return site, project
