"""Files made to harm: each is refused with a reason, quickly, in little memory, and leaves nothing behind."""

import gc
import gzip
import io
import json
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from images.models import Image
from images.services.meaning import Classes
from labeling.imports import selectors, worker
from labeling.imports.services import start_import
from labeling.imports.understanding import understand
from labeling.models import Import
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import Blob
from tests.conftest import scan_bytes
from tests.labeling.imports.sets import opened, packed

# An attack that works takes minutes; an old processor takes four times as long as a new one.
SECONDS, MEBIBYTES = 10.0, 300
DEEP = 200_000


def _memory(name: str) -> int:
    """KiB of this process, by the kernel's name."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


@contextmanager
def cheap() -> Iterator[None]:
    """The block takes little processor time and memory."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _memory("VmRSS"), time.process_time()
    yield
    spent, grown = time.process_time() - start, (_memory("VmHWM") - before) / 1024
    assert spent < SECONDS, f"{spent:.1f} s"
    assert grown < MEBIBYTES, f"{grown:.0f} MiB"


WIDE = "image_id,label," + ",".join(f"c{number}" for number in range(300_000)) + "\n"
LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
LABELS = {
    "deep JSON": ("labels.json", b"[" * DEEP),
    "deep JSON rows": ("labels.json", b'[{"image_id":"a","label":' + b"[" * DEEP + b"]" * DEEP + b"}]"),
    "deep YAML": ("labels.yaml", b"[" * DEEP),
    "deep YAML mappings": ("labels.yml", b"{a: " * DEEP),
    "YAML aliases": ("labels.yaml", LAUGHS.encode()),
    "a YAML object": ("labels.yaml", b"!!python/object/apply:os.system ['true']"),
    "many YAML values": ("labels.yaml", b"[" + b"a," * (4 * 2**20 - 1)),
    "many empty JSON lists": ("labels.json", b"[" + b"[]," * 1_900_000 + b"[]]"),
    "a large JSON": ("labels.json", b'{"a":"' + b"x" * (9 * 2**20) + b'"}'),
    "NaN": ("labels.json", b'[{"image_id": "a.jpg", "label": NaN}]'),
    "a number of 5,000 digits": ("labels.json", b'{"a.jpg": ' + b"9" * 5000 + b"}"),
    "a cell of 10 MB": ("labels.csv", b"image_id,label\na.jpg," + b"x" * (10 * 2**20)),
    "a quote that never ends": ("labels.csv", b'image_id,label\na.jpg,"' + b"x\n" * (5 * 2**20)),
    "a line of 5,000 characters": ("labels.csv", b"image_id,label\na.jpg," + b"x" * 5000),
    "too many rows": ("labels.csv", b"image_id,label\n" + b"a,\n" * 1_000_001),
    "a packed line of 64 MB": ("labels.csv.gz", gzip.compress(b"image_id,label\n" + bytes(2**26), 1, mtime=0)),
    "half of UTF-16": ("labels.csv", "image_id,label\na.jpg,NORMAL\n".encode("utf-16")[:-1]),
    "UTF-16 of no text": ("labels.csv", b"\xff\xfe" + b"\x00\xd8" * 2**20),
    "bytes of no code page": ("labels.csv", bytes(range(256)) * 2**16),
    "a table of pixels": ("hmnist.csv", b",".join(b"pixel%d" % at for at in range(2000)) + b"\n" + b"1," * 5 * 2**20),
    "a picture": ("labels.csv", scan_bytes(1)),
}


def understood(name: str, data: bytes):
    return understand([(name, opened(data))], ["a.jpg"], Classes(["NORMAL", "OPACITY"]))


@pytest.mark.parametrize(("name", "data"), LABELS.values(), ids=LABELS)
def test_a_hostile_labels_file_is_refused_quickly_and_in_little_memory(name, data):
    with cheap():
        known = understood(name, data)
    (problem,) = known.problems
    assert problem.code == "invalid_labels_file" and len(problem.detail) < 300 and not known.by_path


def test_columns_that_nobody_knows_take_no_memory():
    with cheap():
        known = understood("labels.csv", (WIDE + "a.jpg,NORMAL\n" * 1000).encode())
    assert known.rows == 1000 and known.by_path["a.jpg"].label == "NORMAL" and len(known.columns) <= 200


def test_many_rows_about_one_picture_are_cheap():
    rows = "".join(f"a.jpg,NORMAL,{number}\n" for number in range(30_000))
    with cheap():
        known = understood("labels.csv", f"image_id,label,age\n{rows}".encode())
    (_, detail), *_ = known.by_path["a.jpg"].notes
    assert len(detail) < 2000


def test_text_that_no_database_stores_is_shown_as_replaced(author, project):
    rows = [{"image_id": "\ud800a\0b", "label": "NORMAL"}, {"image_id": "a.jpg", "label": "\udfff"}]
    batch = bring(author, project, {"a.jpg": scan_bytes(1), "labels.json": json.dumps(rows).encode()})
    found = dict(selectors.import_errors(batch).values_list("path", "code"))
    assert found == {
        "labels.json, row 1: \N{REPLACEMENT CHARACTER}a\N{REPLACEMENT CHARACTER}b": "unknown_image",
        "a.jpg": "unknown_class",
    }


def bring(actor, project, files: dict[str, bytes] | io.BytesIO) -> Import:
    source = files if isinstance(files, io.BytesIO) else packed(files)
    batch = start_import(actor=actor, project=project, source=source, file_name="many.zip")
    worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)


def png(width: int, height: int, *, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A grey PNG whose header says this size, whatever its data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def chunk_bomb() -> bytes:
    """A text chunk of 100 kB that unpacks to 100 MB."""
    content = b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000, 9)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


HARMFUL = {
    "60000.png": (png(60_000, 60_000), "too_large"),
    "text-bomb.png": (png(8, 8, data=b"\0" * 72, extra=chunk_bomb()), "too_large"),
    "cut.jpg": (scan_bytes(1)[:2000], "truncated"),
    "page.jpg": (b"<html><script>alert(1)</script></html>", "unsupported_format"),
    "picture.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
    "model.pt": (b"PK\x03\x04" + b"\0" * 200, "unsupported_format"),
    "pickle.jpg": (b"\x80\x04\x95cos\nsystem\n", "unsupported_format"),
    "zeros.png": (b"\0" * (8 * 2**20), "zip_bomb"),
    "inner.zip": (packed({"x.jpg": b"x"}).getvalue(), "nested_archive"),
    "empty.dcm": (b"", "empty_file"),
}


def test_harmful_files_in_a_zip_are_named_each_and_leave_nothing(author, project, blob_files):
    before = blob_files()
    files = {name: data for name, (data, _) in HARMFUL.items()}
    with cheap():
        batch = bring(author, project, {**files, "good.jpg": scan_bytes(2)})
    found = dict(selectors.import_errors(batch).values_list("path", "code"))
    assert found == {name: code for name, (_, code) in HARMFUL.items()}
    assert batch.created == 1  # type: ignore[attr-defined]
    stored = Image.objects.get()
    kept = {str(stored.blob_id), *(str(row.blob_id) for row in stored.renditions.all())}
    left = {path.name for path in blob_files() - before}
    assert kept <= left and len(left - kept) == 1, "only the ZIP, which goes when the transaction is certain"


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_upload_is_answered_with_a_reason_and_leaves_nothing(name, api, author, project, blob_files):
    data, _ = HARMFUL[name]
    before, client = blob_files(), api(author)
    with cheap():
        sent = SimpleUploadedFile(name, data, content_type="image/png")
        answer = client.post("/api/v1/images/", {"project": project.pk, "file": sent}, format="multipart")
    assert answer.status_code in (400, 413, 415), answer.content
    assert answer.json()["errors"][0]["detail"]
    assert blob_files() == before and not Blob.objects.exists() and not Image.objects.exists()


def test_what_hides_behind_a_picture_is_not_shown(api, author, project):
    """A polyglot: a valid picture with a page and an archive behind it."""
    hidden = b"<script>alert('hidden')</script>" + packed({"x.html": b"hidden"}).getvalue()
    data = png(8, 8, data=b"\0" * 72) + hidden
    client = api(author)
    sent = SimpleUploadedFile("x.html", data, content_type="text/html")
    answer = client.post("/api/v1/images/", {"project": project.pk, "file": sent}, format="multipart")
    assert answer.status_code == 201, answer.content
    for part in ("rendition", "thumbnail"):
        shown = client.get(f"/api/v1/images/{answer.json()['id']}/{part}/")
        assert shown["Content-Type"].startswith("image/") and shown["X-Content-Type-Options"] == "nosniff"
        assert b"script" not in b"".join(shown) and b"PK\x03\x04" not in b"".join(shown)


def overlapping(count: int) -> io.BytesIO:
    """A flat bomb: many entries, all of them the same compressed megabytes."""
    data = packed({"a.jpg": b"\0" * (10 * 2**20)}).getvalue()
    at = data.index(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = data[at:end]
    entries = b"".join(entry[:46] + f"{number:05}"[-5:].encode() + entry[51:] for number in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), at, 0)
    return io.BytesIO(data[:at] + entries + tail)


ARCHIVES: dict[str, Callable[[], io.BytesIO]] = {
    "more entries than are allowed": lambda: _too_many(),
    "a directory that is not there": lambda: io.BytesIO(b"PK\x05\x06" + b"\xff" * 18),
    "a directory as large as can be said": lambda: io.BytesIO(
        packed({"a": b"x"}).getvalue()[:-22]
        + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 0, 0)
    ),
    "half a ZIP": lambda: io.BytesIO(packed({"a.jpg": scan_bytes(1)}).getvalue()[:500]),
    "no entry": lambda: packed({}),
}


def _too_many() -> io.BytesIO:
    """A small ZIP that says it holds 16 MiB of directory."""
    data = packed({"a": b"x"}).getvalue()
    at = data.index(b"PK\x01\x02")
    entry = data[at : data.rindex(b"PK\x05\x06")]
    count = 110_000
    zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entry) * count, at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at + len(entry) * count, 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return io.BytesIO(data[:at] + entry * count + zip64 + locator + tail)


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_a_hostile_archive_is_refused_at_once(make, author, project, blob_files):
    source, before = make(), blob_files()
    with cheap(), pytest.raises(Invalid) as refused:
        start_import(actor=author, project=project, source=source, file_name="x.zip")
    assert refused.value.attr == "file" and refused.value.detail
    assert blob_files() == before and not Import.objects.exists() and not Blob.objects.exists()


def test_entries_that_are_all_one_piece_of_data_are_not_read(author, project):
    with cheap():
        batch = bring(author, project, overlapping(500))
    assert batch.created == 0  # type: ignore[attr-defined]
    assert set(selectors.import_errors(batch).values_list("code", flat=True)) == {"zip_bomb"}
