"""What all tests of labelling share."""

from pathlib import Path

import pytest
from django.core.files.storage import storages


@pytest.fixture
def blob_files():
    """The objects in the object storage; its marker lies beside them."""
    folder = Path(storages["blobs"].location)  # type: ignore[attr-defined]
    return lambda: {path for path in folder.glob("*/**/*") if path.is_file()}
