"""Small servers that play an archive and MediScan, each as odd as a test wants it."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Query = dict[str, list[str]]
Headers = dict[str, str]
# Status, headers, body; None breaks the connection off.
Reply = tuple[int, Headers, bytes] | None
JSON, DICOM_JSON = {"Content-Type": "application/json"}, {"Content-Type": "application/dicom+json"}
NOT_FOUND: Reply = (404, {}, b"")


def said(value: Any, headers: Headers = JSON, status: int = 200) -> Reply:
    return status, headers, json.dumps(value).encode()


@dataclass
class Asked:
    method: str
    path: str
    query: Query
    headers: Any
    body: bytes = b""


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[str]:
    """The address of a server with kept connections that answers so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = answer(Asked(self.command, url.path, parse_qs(url.query), self.headers, body))
            if reply is None:
                self.close_connection = True
                return
            status, headers, content = reply
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            # Fewer bytes than were promised: nothing more will come.
            self.close_connection |= int(headers.get("Content-Length", len(content))) != len(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            """A bridge that ends in the middle of a question is no error here."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Site:
    """MediScan as far as the bridge needs it. `first`: replies to uploads that come before the usual ones."""

    scans: dict[str, bytes] = field(default_factory=dict)
    first: list[Reply] = field(default_factory=list)
    refused: dict[bytes, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if asked.path == "/healthz":
            return said({"status": "ok"})
        if asked.path != "/api/v1/images/":
            return NOT_FOUND
        if asked.method == "GET":
            wanted = asked.query["external_id"][0]
            return said({"results": [{"image_id": self._name(one)} for one in self.scans if one == wanted]})
        if self.first:
            return self.first.pop(0)
        return self._upload(asked)

    def uploads(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST" and asked.path == "/api/v1/images/"]

    def _name(self, external_id: str) -> str:
        return f"img{list(self.scans).index(external_id):06}"

    def _upload(self, asked: Asked) -> Reply:
        form = message_from_bytes(f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode() + asked.body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}
        external_id = parts["external_id"].get_payload(decode=True).decode()
        data = asked.body.partition(b'name="file"; filename="scan.dcm"\r\n\r\n')[2].rpartition(b"\r\n--")[0]
        assert hashlib.sha256(data).hexdigest() == asked.headers["X-Content-SHA256"]
        if data in self.refused:
            return error(400, self.refused[data])
        known = next((name for name, held in self.scans.items() if held == data), None)
        if known is not None:
            return said({"image_id": self._name(known), "duplicate": True})
        if external_id in self.scans:
            return error(409, "external_id_taken")
        self.scans[external_id] = data
        return said({"image_id": self._name(external_id), "duplicate": False}, JSON, 201)


def error(status: int, code: str, **headers: str) -> Reply:
    problem = {"type": "client_error", "errors": [{"code": code, "detail": f"It is {code}.", "attr": None}]}
    return said(problem, {**JSON, **headers}, status)


@dataclass
class Pacs:
    """DICOMweb. `cap`: most rows of a page; `odd`: replies for paths that end so, each once or (a callable) always."""

    files: dict[str, bytes] = field(default_factory=dict)
    cap: int = 1000
    knows_offset: bool = True
    overlap: int = 0
    odd: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    study = "1.2.3"

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        for ending, reply in self.odd.items():
            if asked.path.endswith(ending):
                if callable(reply):
                    return reply(asked)
                if reply:
                    return reply.pop(0)
        if asked.path == "/studies":
            return said(self.page(asked, [{"0020000D": {"vr": "UI", "Value": [self.study]}}]), DICOM_JSON)
        if asked.path == f"/studies/{self.study}/instances":
            return said(self.page(asked, [self.row(name) for name in self.files]), DICOM_JSON)
        name = asked.path.rpartition("/")[2]
        return multipart(self.files[name]) if name in self.files else NOT_FOUND

    def fetched(self) -> list[str]:
        return [asked.path.rpartition("/")[2] for asked in self.asked if "/series/" in asked.path]

    def row(self, name: str) -> dict[str, Any]:
        values = {"0020000D": self.study, "0020000E": "1.2.3.4", "00080018": name, "00080060": "CR"}
        return {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}

    def page(self, asked: Asked, rows: list[Any]) -> list[Any]:
        start = int(asked.query.get("offset", ["0"])[0]) if self.knows_offset else 0
        size = min(self.cap, int(asked.query["limit"][0]))
        return rows[max(0, start - self.overlap if start < len(rows) + self.overlap else start) :][:size]


def multipart(
    data: bytes, *, kind: str = 'multipart/related; type="application/dicom"; boundary=xyz', mark: bytes = b"xyz"
) -> Reply:
    head = b"--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n"
    return 200, {"Content-Type": kind}, head + data + b"\r\n--" + mark + b"--\r\n"


@dataclass
class Orthanc:
    """Orthanc's REST API. `at`: the date of its changes; `last`: the highest number it gave; `odd` as in Pacs, but always."""

    files: dict[str, bytes] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    at: str = "20261101T000000"
    skipped: int = 0
    last: int = 0
    odd: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        for ending, reply in self.odd.items():
            if asked.path.endswith(ending):
                return reply(asked)
        if asked.path == "/changes":
            return said(self.changes(int(asked.query["since"][0]), int(asked.query["limit"][0])))
        kind, name, *part = asked.path.strip("/").split("/")
        if kind == "series":
            return said({"MainDicomTags": {"Modality": name}})
        if kind != "instances" or name not in self.files:
            return NOT_FOUND
        return (200, {}, self.files[name]) if part == ["file"] else said(self.about.get(name, {}))

    def changes(self, since: int, limit: int) -> dict[str, Any]:
        log = [
            {"ChangeType": kind, "ID": name, "Seq": self.skipped + 2 * number + at, "Date": self.at}
            for number, name in enumerate(self.files)
            for at, kind in ((1, "NewInstance"), (2, "NewSeries"))
        ]
        left = [change for change in log if change["Seq"] > since]
        # As Orthanc counts: deleting takes no number back.
        self.last = max(self.last, log[-1]["Seq"] if log else 0)
        page = left[: min(3, limit)]
        return {"Changes": page, "Done": len(left) <= len(page), "Last": page[-1]["Seq"] if page else self.last}

    def fetched(self) -> list[str]:
        return sorted(asked.path.split("/")[2] for asked in self.asked if asked.path.endswith("/file"))
