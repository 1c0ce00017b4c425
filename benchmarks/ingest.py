"""Uploads and ZIP imports compared with the unavoidable work: `make bench-ingest`, `DATA=folder` for real scans.

Unavoidable per file: read it, SHA-256, one full decode, a thumbnail, AES-256-GCM of both, write both; in one thread, without
flushing to the disk. Files lie unpacked (stored) in the ZIP. Rounds are interleaved; a ratio is the median over rounds of
unavoidable time ÷ real time. Real time of a ZIP: from the first byte read until the report is complete, in one worker
process with as many decoders as a site has by default, each scan labelled by its folder; of an upload: from the request
until its answer, one after the other, over HTTP to one web process, without a label.
"""

import argparse
import hashlib
import http.client
import io
import os
import statistics
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from PIL import Image as Picture

from benchmarks import _common, _dicom, _many
from benchmarks._bench import Bench, Worker, worker_process

BOUNDARY = "mediscan-benchmark"
SMALL_IMAGES = 20_000
FEW_IMAGES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of real JPEG files")
    parser.add_argument("--files", type=int, default=200, help="files per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--small", type=int, default=SMALL_IMAGES, help="small images for the memory figure; 0: leave out"
    )
    parser.add_argument("--dicom", type=int, default=_dicom.COUNT, help="DICOM files for their ratio; 0: leave out")
    given = parser.parse_args()
    with _common.scratch_site(DECODER_PROCESSES="", WORK_LEASE_S="5") as folder:
        from tests.conftest import make_user

        bench = Bench(folder, _common.jpegs(given.data, given.files), make_user("bench", role="admin"))
        figures = {**_ratios(bench, given.rounds), **_two_workers(bench)}
        figures["dicom_ratio"] = _dicom.run(bench, given.dicom, min(2, given.rounds)) if given.dicom else None
        figures |= _many_small(bench, given.small)
    _common.save("ingest", figures)


def _ratios(bench: Bench, rounds: int) -> dict[str, Any]:
    packed = _zip(bench.files)
    with worker_process() as worker, _web() as port:
        for number in range(rounds + 1):
            if number == 1:
                bench.seconds.clear()  # the first round warms up
            bench.note("unavoidable", _unavoidable(bench, packed))
            bench.note("zip", _import(bench, worker, packed))
            bench.note("upload", _uploads(bench, port))
    each = {name: statistics.median(values) / len(bench.files) for name, values in bench.seconds.items()}
    print(", ".join(f"{name} {1000 * seconds:.2f} ms a file" for name, seconds in each.items()))
    return {
        "upload_ratio": bench.ratio("upload"),
        "zip_ratio": bench.ratio("zip"),
        "images_per_second": round(1 / each["zip"], 1),
    }


def _zip(files: list[bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number, data in enumerate(files):
            made.writestr(f"{('NORMAL', 'OPACITY')[number % 2]}/{number:05}.jpg", data)
    return out


def _unavoidable(bench: Bench, packed: io.BytesIO) -> float:
    folder = bench.folder / f"plain-{bench.made}"
    folder.mkdir()
    start = time.perf_counter()
    with zipfile.ZipFile(packed) as source:
        for number, name in enumerate(source.namelist()):
            data = source.read(name)
            hashlib.sha256(data).hexdigest()
            picture = Picture.open(io.BytesIO(data))
            picture.load()
            picture.thumbnail((256, 256))
            small = io.BytesIO()
            picture.save(small, "JPEG", quality=85)
            for kind, content in (("scan", data), ("thumbnail", small.getvalue())):
                sealed = AESGCM(os.urandom(32)).encrypt(os.urandom(12), content, None)
                (folder / f"{number}-{kind}").write_bytes(sealed)
    return time.perf_counter() - start


def _import(bench: Bench, worker: Worker, packed: io.BytesIO) -> float:
    start = time.perf_counter()
    batch = bench.start_import(packed)
    worker.give(batch.pk)
    worker.wait()
    seconds = time.perf_counter() - start
    _check(batch, len(bench.files))
    return seconds


def _check(batch: Any, expected: int) -> None:
    """A figure from an import that did not do its work would be worthless."""
    from images.models import Image

    batch.refresh_from_db()
    stored = Image.objects.filter(project=batch.project_id, label_status="labeled").count()
    if (batch.status, stored) != ("succeeded", expected):
        raise SystemExit(f"The import {batch.status} with {stored} of {expected} scans. {batch.error}")


def _uploads(bench: Bench, port: int) -> float:
    from rest_framework_simplejwt.tokens import RefreshToken

    headers = {
        "Authorization": f"Bearer {RefreshToken.for_user(bench.user).access_token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    project = bench.project()
    bodies = [_form({"project": project.pk}, number, data) for number, data in enumerate(bench.files)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    start = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/api/v1/images/", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise SystemExit(f"An upload was answered with {answer.status}: {text[:300]!r}")
    return time.perf_counter() - start


def _form(fields: dict[str, Any], number: int, data: bytes) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.jpg"\r\n'
    head = "".join(parts) + file + "Content-Type: image/jpeg\r\n\r\n"
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def _two_workers(bench: Bench) -> dict[str, Any]:
    """Two imports by one worker, then by two at once."""
    packed, spent = _zip(bench.files), []
    with worker_process() as first, worker_process() as second:
        for worker in (first, second):
            _import(bench, worker, packed)
        for workers in ((first, first), (first, second)) * 2:
            batches = [bench.start_import(packed) for _ in workers]
            start = time.perf_counter()
            for worker, batch in zip(workers, batches, strict=True):
                worker.give(batch.pk)
            for worker in workers:
                worker.wait()
            spent.append(time.perf_counter() - start)
            for batch in batches:
                _check(batch, len(bench.files))
    return {"zip_two_workers_speedup": round((spent[0] + spent[2]) / (spent[1] + spent[3]), 3)}


def _many_small(bench: Bench, count: int) -> dict[str, Any]:
    """Many small images in one ZIP; the worker is killed half-way and another one finishes. Peak memory of worker and decoders,
    also beside that of a small ZIP."""
    few = _many.few(bench, FEW_IMAGES) if count else None
    many = _many.run(bench, count) if count else None
    return {
        f"peak_rss_mb_{FEW_IMAGES}": few,
        f"peak_rss_mb_{SMALL_IMAGES}": many,
        f"peak_rss_ratio_{SMALL_IMAGES}": round(many / few, 3) if many and few else None,
    }


@contextmanager
def _web() -> Iterator[int]:
    with _common.web_process("mediscan_site.front.gate", "--workers", "1") as port:
        yield port


if __name__ == "__main__":
    main()
