"""Imports of many files: all that is good comes in, all that is bad is named, in groups and in step."""

import csv
import io
import zipfile
from collections.abc import Iterable

import numpy as np
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as Picture

from images.models import Image
from images.services import scans
from labeling.imports import selectors, stream, worker
from labeling.imports.services import start_import
from labeling.models import Import, ImportFile, Label
from mediscan_site.core.models import AuditEvent, Blob


def small(number: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (24, 24), dtype=np.uint8)
    Picture.fromarray(pixels).save(out, "JPEG", quality=50)
    return out.getvalue()


def bring(actor, project, files: Iterable[tuple[str, bytes]]) -> Import:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files:
            made.writestr(name, data)
    batch = start_import(actor=actor, project=project, source=out, file_name="many.zip")
    worker.run(batch.pk)
    return selectors.imports(actor).get(pk=batch.pk)


def counts(batch: Import) -> tuple[int, int, int, int]:
    return batch.total, batch.created, batch.duplicates, batch.rejected  # type: ignore[attr-defined]


BAD = {
    "NORMAL/cut.jpg": small(7)[:-200],
    "NORMAL/empty.jpg": b"",
    "NORMAL/text.jpg": b"no picture",
    "NORMAL/page.png": b"<html></html>",
    "NORMAL/inner.zip": b"PK\x05\x06",
    "ZEBRA/other.jpg": small(100_001),
    "ZEBRA/deeper/x.jpg": small(100_002),
    "../escape.jpg": small(100_003),
    "C:\\escape.jpg": small(100_004),
    "NORMAL/zeros.jpg": b"\0" * 5000,
}


def test_of_a_thousand_files_with_ten_bad_ones_990_come_in_and_10_are_named(api, author, project):
    good = ((f"{('NORMAL', 'OPACITY')[n % 2]}/{n:04}.jpg", small(n)) for n in range(990))
    batch = bring(author, project, [*list(BAD.items())[:5], *good, *list(BAD.items())[5:]])
    assert (batch.status, counts(batch)) == ("succeeded", (1000, 990, 0, 10))
    assert Image.objects.count() == Label.objects.count() == 990
    assert AuditEvent.objects.filter(action="scan.upload").count() == 990
    assert {line.path for line in selectors.import_errors(batch)} == {name.replace("\\", "/") for name in BAD}
    answer = api(author).get(f"/api/v1/imports/{batch.pk}/files/?format=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert len(rows) == 1000
    assert sum(row["outcome"] == "rejected" and bool(row["code"] and row["detail"]) for row in rows) == 10


def test_a_group_costs_as_many_statements_as_one_file(author, project):
    def statements(first: int, count: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            bring(author, project, [(f"NORMAL/{n}.jpg", small(n)) for n in range(first, first + count)])
        return len(seen)

    statements(0, 1)
    # MySQL does not tell the keys of many rows: scans, their facts and labels are a statement each.
    each = 0 if connection.features.can_return_rows_from_bulk_insert else 3
    assert statements(1, stream.GROUP) - statements(100, 1) <= 2 + each * (stream.GROUP - 1)


def test_equal_files_far_apart_and_next_to_each_other_are_one_scan(author, project, monkeypatch):
    monkeypatch.setattr(stream, "GROUP", 3)
    order = [1, 1, 2, 3, 1, 4, 4, 4, 2, 5, 1]
    batch = bring(author, project, [(f"{at}.jpg", small(n)) for at, n in enumerate(order)])
    assert counts(batch) == (11, 5, 6, 0)
    assert Image.objects.count() == 5


def test_a_repeated_bad_file_is_named_each_time(author, project):
    batch = bring(author, project, [("a.jpg", b"bad"), ("b.jpg", b"bad"), ("c.jpg", small(1))])
    assert counts(batch) == (3, 1, 0, 2)


def test_a_file_that_somebody_else_brings_in_meanwhile_is_a_duplicate_and_the_group_stands(
    author, colleague, project, blob_files, monkeypatch
):
    real, done = stream.Stream._insert, []

    def slower(self, group) -> None:
        if not done:
            done.append(True)
            given = {"actor": colleague, "project": project, "facts": scans.ScanFacts(), "file_name": "theirs.jpg"}
            scans.store_scan(source=io.BytesIO(small(2)), **given)
            scans.store_scan(source=io.BytesIO(small(50)), external_id="taken", **given)
        real(self, group)

    monkeypatch.setattr(stream.Stream, "_insert", slower)
    rows = b"image_id,label,external_id\n0.jpg,NORMAL,\n1.jpg,NORMAL,taken\n2.jpg,NORMAL,\n3.jpg,NORMAL,\n"
    batch = bring(author, project, [*((f"{n}.jpg", small(n)) for n in range(4)), ("labels.csv", rows)])
    assert counts(batch) == (4, 2, 1, 1)
    assert dict(selectors.import_errors(batch).values_list("path", "code")) == {"1.jpg": "external_id_taken"}
    assert ImportFile.objects.get(batch=batch, path="2.jpg").image.file_name == "theirs.jpg"
    assert Label.objects.filter(image__file_name="theirs.jpg").count() == 1
    kept = set(map(str, Blob.objects.filter(erased_at__isnull=True).values_list("pk", flat=True)))
    assert kept <= {path.name for path in blob_files()} and len(blob_files()) == len(kept) + 1


def test_a_right_that_is_taken_away_half_way_stops_the_rest(author, admin, project, monkeypatch):
    from images.services import revoke

    monkeypatch.setattr(stream, "GROUP", 2)
    real = scans.insert

    def revoking(*given):
        made = real(*given)
        revoke(actor=admin, project=project, user=author, codename="upload_image")
        return made

    monkeypatch.setattr(scans, "insert", revoking)
    batch = bring(author, project, [(f"{n}.jpg", small(n)) for n in range(10)])
    assert batch.created < 10  # type: ignore[attr-defined]
    assert set(selectors.import_errors(batch).values_list("code", flat=True)) == {"permission_denied"}
