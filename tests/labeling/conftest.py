"""What all tests of labelling share."""

from pathlib import Path

import pytest
from django.core.files.storage import storages


@pytest.fixture
def blob_files():
    """The files in the object storage."""
    folder = Path(storages["blobs"].location)  # type: ignore[attr-defined]
    return lambda: {path for path in folder.rglob("*") if path.is_file()}
