"""A real Orthanc (Debian's packages orthanc and orthanc-dicomweb) on a free port, over a folder of its own."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from mediscan_site.front.supervisor import free_port
from tests.conftest import PATIENCE_S

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MISSING = "Orthanc and its DICOMweb plugin are not installed: apt-get install orthanc orthanc-dicomweb"
USER, PASSWORD = "bridge", "a secret of the archive"


@dataclass
class Orthanc:
    """`root`: its address. `process` is None while it is stopped."""

    root: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(PROGRAM), str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if self.ask("GET", "system").ok:
                    return
            time.sleep(0.05)
        raise AssertionError(f"Orthanc did not start:\n{(self.folder / 'log').read_text()[-3000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def rebuild(self) -> None:
        """The same Orthanc with nothing in it, and its log of changes begun anew."""
        self.stop()
        shutil.rmtree(self.folder / "db")
        self.start()

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, f"{self.root}/{path}", auth=(USER, PASSWORD), timeout=PATIENCE_S, **more)

    def store(self, data: bytes) -> str:
        """Orthanc's own identifier of the instance."""
        answer = self.ask("POST", "instances", data=data)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ID"])

    def last(self) -> int:
        return int(self.ask("GET", "changes?last").json()["Last"])

    def clear(self) -> None:
        for patient in self.ask("GET", "patients").json():
            self.ask("DELETE", f"patients/{patient}")


def is_installed() -> bool:
    return PROGRAM is not None and DICOMWEB.exists()


@contextlib.contextmanager
def running(folder: Path, **options: Any) -> Iterator[Orthanc]:
    port = free_port()
    config = {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "OverwriteInstances": True,
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True},
        **options,
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    made = Orthanc(f"http://127.0.0.1:{port}", folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
