"""Every broken file of the collection gets the answer its manifest expects, and the next scan still comes in."""

import csv
import io

import pytest

from images.models import Image
from images.services import ScanFacts, store_scan
from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import Blob
from tests.conftest import scan_bytes

pytestmark = pytest.mark.django_db


def test_broken_files_are_refused_with_a_reason_and_odd_ones_accepted(shared_data, project, author, blob_files):
    folder = shared_data / "broken"
    before = blob_files()
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as manifest:
        rows = list(csv.DictReader(manifest))
    assert len(rows) > 20
    wrong = []
    for row in rows:
        source = io.BytesIO((folder / row["file"]).read_bytes())
        try:
            store_scan(actor=author, project=project, source=source, file_name=row["file"], facts=ScanFacts())
            outcome = "accept"
        except DomainError as error:
            assert error.attr == "file" and error.code and error.detail
            outcome = "reject"
        if row["expected"] not in (outcome, "either"):
            wrong.append((row["file"], outcome))
    assert not wrong
    assert {path.name for path in blob_files() - before} == {str(blob.pk) for blob in Blob.objects.all()}
    count = Image.objects.count()
    store_scan(actor=author, project=project, source=io.BytesIO(scan_bytes(1)), file_name="next.jpg", facts=ScanFacts())
    assert Image.objects.count() == count + 1
