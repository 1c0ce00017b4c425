"""A store that no other test has seen."""

import pytest
from django.test import override_settings

from mediscan_site.core.models import StoreOwner
from mediscan_site.core.storage import own_store


@pytest.fixture
def store(settings, tmp_path, monkeypatch):
    """A store of its own, marked as this database's; gives its folder."""
    options = {"location": str(tmp_path / "store")}
    blob_store = {"BACKEND": settings.STORAGES["blobs"]["BACKEND"], "OPTIONS": options}
    monkeypatch.setattr(own_store, "_required", None)
    with override_settings(STORAGES={**settings.STORAGES, "blobs": blob_store}):
        StoreOwner.objects.update(marked_at=None)
        own_store.require()
        yield tmp_path / "store"
