"""What clients send that is too large, too slow, or not what it says."""

import io
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import requests

from benchmarks._security import PATIENCE_S, World, check, must

REFUSED = range(400, 500)


def disk_used(world: World) -> int:
    return sum(path.stat().st_size for path in Path(world.place.env["MEDISCAN_DATA_DIR"]).rglob("*") if path.is_file())


@check("bodies.json", "JSON of 3 MB, of depth 100,000, cut, and not JSON", "4xx with a sentence")
def json_bodies(world: World) -> str:
    person = world.person("author")
    bodies = {
        "3 MB": b'{"image": "' + b"x" * 3 * 2**20 + b'"}',
        "deep": b"[" * 100_000,
        "cut": b'{"image": 1',
        "NaN": b'{"image": NaN}',
        "not UTF-8": b'{"image": "\xff"}',
        "a list": b"[1, 2]",
        "a number": b"7",
        "compressed": zlib.compress(b"{}"),
    }
    for name, body in bodies.items():
        headers = {"Content-Type": "application/json"}
        if name == "compressed":
            headers["Content-Encoding"] = "gzip"
        answer = person.call("POST", "labels/", data=body, headers=headers)
        must(
            answer.status_code in REFUSED and "errors" in answer.json(),
            f"{name}: {answer.status_code} {answer.text[:80]}",
        )
    return f"{len(bodies)} bodies"


@check(
    "bodies.no-account",
    "bodies of 400 MB to open routes, without an account",
    "refused; the disk grows by less than 50 MB",
)
def without_account(world: World) -> str:
    sent: dict[str, int] = {}
    before = most = disk_used(world)
    for path in ("/api/v1/auth/token/", "/api/v1/auth/token/refresh/", "/login/", "/api/v1/images/"):
        sent[path] = 0

        def pieces(path: str = path) -> Iterator[bytes]:
            nonlocal most
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(400):
                sent[path] += 1
                most = max(most, disk_used(world)) if sent[path] % 40 == 0 else most
                yield b"\0" * 2**20

        headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(400 * 2**20)}
        try:
            request = requests.Request("POST", world.place.root + path, headers=headers, data=pieces()).prepare()
            request.headers.pop("Transfer-Encoding", None)
            request.headers["Content-Length"] = headers["Content-Length"]
            answer = requests.Session().send(request, timeout=PATIENCE_S)
            must(answer.status_code in REFUSED, f"{path}: {answer.status_code}")
        except requests.ConnectionError:
            # It hung up on us, which is a refusal too.
            pass
        most = max(most, disk_used(world))
    grown = (most - before) / 2**20
    must(grown < 50, f"the data folder grew by {grown:.0f} MB")
    return f"grew by {grown:.1f} MB; took {max(sent.values())} MB"


def seconds_of(world: World, path: str, method: str = "GET", **options: object) -> float:
    began = time.monotonic()
    try:
        answer = requests.request(method, world.place.root + path, timeout=30, **options)  # type: ignore[arg-type]
    except requests.RequestException:
        return 30.0
    must(answer.status_code < 500, f"{path}: {answer.status_code}")
    return time.monotonic() - began


@check(
    "slow.connections",
    "40 connections of one client that never finish",
    "/healthz within 1 s, a log-in and reading within 3 s",
)
def slow_connections(world: World) -> str:
    at = urlsplit(world.place.root)
    starts = [b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", b"POST /api/v1/auth/token/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
              b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", b"", b"POST /api/v1/images/ HTTP/1.1\r\n"
              b"Host: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x"]  # fmt: skip
    person = world.person("author")
    token = {"Authorization": f"Bearer {person.token}"}
    with ExitStack() as stack:
        for number in range(40):
            held = stack.enter_context(socket.create_connection((at.hostname or "", at.port or 80), timeout=PATIENCE_S))
            held.sendall(starts[number % len(starts)])
        time.sleep(2)
        alive = max(seconds_of(world, "/healthz") for _ in range(5))
        body = {"username": "colleague", "password": person.password}
        entered = seconds_of(world, "/api/v1/auth/token/", "POST", json=body)
        read = seconds_of(world, f"/api/v1/images/?project={world.project}", headers=token)
    must(alive <= 1 and entered <= 3 and read <= 3, f"healthz {alive:.1f} s, log-in {entered:.1f} s, list {read:.1f} s")
    return f"healthz {alive:.2f} s, log-in {entered:.2f} s, list {read:.2f} s"


def wide_png(width: int, height: int) -> bytes:
    """A picture of so many pixels in a few bytes, for which our own limit exists."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@check("uploads.other-kinds", "files that are no scans, by any name", "4xx with a sentence; none is kept")
def other_kinds(world: World) -> str:
    person, jpeg = world.person("author"), world.scan()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "x")
    files = {
        "empty.png": b"",
        "text.jpg": b"hello",
        "page.png": b"<html><script>1</script></html>",
        "drawing.png": b"<svg onload='1'/>",
        "paper.jpg": b"%PDF-1.4\n",
        "zip.jpg": packed.getvalue(),
        "half.jpg": jpeg[: len(jpeg) // 2],
        "wide.png": wide_png(60_000, 60_000),
        "head.png": b"\x89PNG\r\n\x1a\n",
        "../../x.jpg": b"GIF89a",
        "weights.pt": b"\x80\x04.",
        "x.dcm": b"\0" * 128 + b"DICM",
    }
    before = world.python("from images.models import Image; print(Image.objects.count())").stdout
    for name, content in files.items():
        answer = person.call("POST", "images/", data={"project": world.project}, files={"file": (name, content)})
        must(
            answer.status_code in REFUSED and "errors" in answer.json(),
            f"{name}: {answer.status_code} {answer.text[:80]}",
        )
    after = world.python("from images.models import Image; print(Image.objects.count())").stdout
    must(before == after, "one of them was kept")
    return f"{len(files)} files"


@check("uploads.zip-names", "a ZIP with paths that would leave its folder", "named row by row, and nothing outside")
def zip_names(world: World) -> str:
    person, packed = world.person("author"), io.BytesIO()
    names = [
        "../up.jpg",
        "/abs.jpg",
        "a/../../up.jpg",
        "C:\\x.jpg",
        "..\\up.jpg",
        "NORMAL/\u202egpj.exe",
        "NORMAL/ok.jpg",
    ]
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, world.scan())
    job = person.json("POST", "imports/", data={"project": world.project}, files={"file": ("x.zip", packed.getvalue())})
    deadline = time.monotonic() + PATIENCE_S
    while job["status"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.3)
        job = person.json("GET", f"imports/{job['id']}/")
    must(
        job["status"] == "succeeded" and job["created"] >= 1, f"{job['status']}: {job['created']} scans, {job['error']}"
    )
    outside = [path for path in world.place.folder.rglob("*") if path.name in ("up.jpg", "abs.jpg", "x.jpg")]
    must(not outside and job["rejected"] >= 4, f"{outside or job['errors']}")
    return f"{job['rejected']} of {len(names)} names refused"
