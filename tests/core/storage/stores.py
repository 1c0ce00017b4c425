"""What lies in the store of a test: objects with rows, and objects of nobody."""

from datetime import timedelta
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import blobs

NOW = timedelta(seconds=-5)


def stored(count: int = 1) -> list[Blob]:
    made = [blobs.write(b"a scan", namespace="7", content_type="image/png") for _ in range(count)]
    for blob in made:
        blob.save(force_insert=True)
    return made


def strangers(count: int) -> None:
    for number in range(count):
        storages["blobs"].save(f"project-9/a/{number:05}", ContentFile(b"sealed by somebody else"))


def objects(store: Path) -> int:
    return sum(path.is_file() for path in store.glob("*/*/*"))
