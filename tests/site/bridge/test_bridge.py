"""The documented bridge between an Orthanc or DICOMweb server (played by a small one here) and the site."""

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings

from images.models import Image
from mediscan_site.core.services import issue_service_token
from tests.conftest import scan_bytes

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = Path(settings.BASE_DIR) / "docs" / "examples" / "bridge.py"
TAGS = ("0020000D", "0020000E", "00080018")


@pytest.fixture
def bridge():
    spec = importlib.util.spec_from_file_location("bridge", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PAUSES_S = (0.05,)
    return module


class Archive:
    """Instances by identifier, as Orthanc's REST API and as DICOMweb; `down`: how many requests get a 503 first."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.modality: dict[str, str] = {}
        self.asked: list[str] = []
        self.down = 0

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[str, bytes] | None:
        names = list(self.files)
        if path == "/changes":
            since = int(query["since"][0])
            page = [
                {"ChangeType": kind, "ID": name, "Seq": 2 * number + at}
                for number, name in enumerate(names)
                for at, kind in ((1, "NewInstance"), (2, "NewSeries"))
            ]
            left = [change for change in page if int(str(change["Seq"])) > since]
            last = left[:3][-1]["Seq"] if left else since
            return "application/json", json.dumps({"Changes": left[:3], "Done": len(left) <= 3, "Last": last}).encode()
        if path == "/instances" and query:
            start, size = int(query["offset"][0]), int(query["limit"][0])
            rows = [
                {tag: {"Value": [f"{kind}.{name}"]} for tag, kind in zip(TAGS, "123", strict=True)} for name in names
            ]
            return "application/dicom+json", json.dumps(rows[start : start + size]).encode()
        *_, name, last = path.split("/")
        if last == "simplified-tags":
            return "application/json", json.dumps({"Modality": self.modality.get(name, "CR")}).encode()
        if last == "file" and name in self.files:
            return "application/dicom", self.files[name]
        if path.startswith("/studies/") and (data := self.files.get(last.removeprefix("3."))) is not None:
            head = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n"
            return 'multipart/related; type="application/dicom"; boundary="xyz"', head + data + b"\r\n--xyz--\r\n"
        return None


@pytest.fixture
def archive():
    played = Archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            played.asked.append(url.path)
            if played.down:
                played.down -= 1
                self.send_error(503)
                return
            found = played.answer(url.path, parse_qs(url.query))
            if found is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", found[0])
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        def log_message(self, *args) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield played, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def connected(archive, live_server, author, project, tmp_path, monkeypatch):
    _, token = issue_service_token(actor=author, user=author, name="bridge", scopes=["read", "upload"])
    values = {
        "MEDISCAN_URL": live_server.url,
        "MEDISCAN_TOKEN": token,
        "MEDISCAN_PROJECT": str(project.pk),
        "SOURCE_URL": archive[1],
        "STATE_FILE": str(tmp_path / "since"),
        "MODALITIES": "",
    }

    def connect(**changes: str) -> Archive:
        for name, value in {**values, **changes}.items():
            monkeypatch.setenv(name, value)
        return archive[0]

    return connect


def external_ids() -> list[str | None]:
    return list(Image.objects.order_by("pk").values_list("external_id", flat=True))


def test_new_instances_of_an_orthanc_come_in_once_and_in_order(bridge, connected, author, tmp_path):
    orthanc = connected()
    orthanc.files = {"a": scan_bytes(1), "text": b"no picture", "b": scan_bytes(2)}
    orthanc.down = 2
    bridge.orthanc(once=True)
    assert external_ids() == ["orthanc-a", "orthanc-b"]
    assert Image.objects.filter(uploaded_by=author).count() == 2
    assert (tmp_path / "since").read_text() == "6"
    orthanc.asked.clear()
    orthanc.files["c"] = scan_bytes(3)
    bridge.orthanc(once=True)
    assert external_ids() == ["orthanc-a", "orthanc-b", "orthanc-c"]
    assert [path for path in orthanc.asked if path.endswith("/file")] == ["/instances/c/file"]


def test_without_its_state_everything_is_sent_again_and_nothing_is_doubled(bridge, connected, tmp_path):
    orthanc = connected()
    orthanc.files = {"a": scan_bytes(1), "b": scan_bytes(2)}
    bridge.orthanc(once=True)
    (tmp_path / "since").unlink()
    bridge.orthanc(once=True)
    assert external_ids() == ["orthanc-a", "orthanc-b"]


def test_only_the_wanted_modalities_are_fetched(bridge, connected):
    orthanc = connected(MODALITIES="CR,DX")
    orthanc.files = {"a": scan_bytes(1), "b": scan_bytes(2)}
    orthanc.modality = {"a": "US"}
    bridge.orthanc(once=True)
    assert external_ids() == ["orthanc-b"]
    assert "/instances/a/file" not in orthanc.asked


def test_a_token_that_is_not_valid_ends_the_bridge_and_keeps_its_place(bridge, connected, tmp_path):
    orthanc = connected(MEDISCAN_TOKEN="ms_wrong")
    orthanc.files = {"a": scan_bytes(1)}
    with pytest.raises(SystemExit, match="does not let this account upload"):
        bridge.orthanc(once=True)
    assert not (tmp_path / "since").exists()


def test_what_a_dicomweb_search_finds_is_fetched_once(bridge, connected):
    pacs = connected()
    pacs.files = {str(number): scan_bytes(number) for number in range(1, 4)}
    bridge.dicomweb("StudyDate=20261101-20261130")
    assert Image.objects.count() == 3
    assert all((name or "").startswith("uid-") and "3." not in (name or "") for name in external_ids())
    pacs.asked.clear()
    bridge.dicomweb("StudyDate=20261101-20261130")
    assert pacs.asked == ["/instances"]


def test_a_real_dicom_file_passes_bit_by_bit(bridge, connected, shared_data):
    import hashlib

    data = next(iter(sorted((shared_data / "dicom").rglob("CT_small.dcm")))).read_bytes()
    connected().files = {"ct": data}
    bridge.orthanc(once=True)
    assert Image.objects.get().received_sha256 == hashlib.sha256(data).hexdigest()
