"""Scans stored by the images app alone."""

import io
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection

from images.services import ScanFacts, store_scan
from tests.conftest import scan_bytes


@pytest.fixture
def store(project, author):
    """`store(seed=1, split="train", patient="p1")` gives a stored scan."""

    def make(seed: int = 0, *, actor=None, into=None, **options):
        names = {"split", "external_id", "file_name"} & options.keys()
        chosen = {name: options.pop(name) for name in names}
        return store_scan(
            actor=actor or author,
            project=into or project,
            source=io.BytesIO(scan_bytes(seed)),
            facts=ScanFacts(**options),
            **{"file_name": f"scan{seed}.jpg", **chosen},
        )[0]

    return make


@pytest.fixture
def blob_files():
    """The objects in the object storage; its marker lies beside them."""
    folder = Path(storages["blobs"].location)  # type: ignore[attr-defined]

    def found() -> set[Path]:
        return {path for path in folder.glob("*/**/*") if path.is_file()}

    yield found


@pytest.fixture
def database_rows(db):
    """Every row of every table, as text."""

    def rows() -> list[str]:
        found: list[str] = []
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 -- a name of our own
                found += [_as_text(row) for row in cursor.fetchall()]
        return found

    return rows


def _as_text(row) -> str:
    return repr([bytes(value) if isinstance(value, memoryview) else value for value in row])
