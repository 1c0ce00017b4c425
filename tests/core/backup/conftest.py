"""A folder for backups, and an identity that the site itself does not have."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from mediscan_site.core.backup import sealing, signing
from mediscan_site.core.models import Backup
from mediscan_site.core.storage import ring


@pytest.fixture
def identity_file(tmp_path):
    path = tmp_path / "offline" / "identity.txt"
    path.parent.mkdir()
    sealing.make_identity(path, signer=signing.signer(ring.current()))
    return path


@pytest.fixture
def backup_dir(tmp_path, settings, identity_file):
    folder = tmp_path / "backups"
    folder.mkdir()
    settings.BACKUP_DIR = str(folder)
    settings.BACKUP_RECIPIENTS = [str(key.to_public()) for key in sealing.read_identity(identity_file).keys]
    return folder


@pytest.fixture
def backup(backup_dir):
    """`backup()` makes one as an operator would, and gives its folder."""

    def make(kind: str = "manual") -> Path:
        call_command("backup", kind=kind, stdout=io.StringIO(), stderr=io.StringIO())
        return backup_dir / Backup.objects.order_by("-pk")[0].name

    return make


def flipped(path: Path, at: int = -1) -> None:
    """Turn one bit of a file round."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def first_object(folder: Path) -> Path:
    """A stored object in the folder of all backups."""
    return sorted((folder / "objects").glob("*/*"))[0]
