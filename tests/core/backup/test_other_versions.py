"""Restoring a site of an older version, onto a machine where somebody has already started an empty one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from django.conf import settings

from mediscan_site.core.storage.keys import KeyRing
from tests.conftest import PATIENCE_S

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def site(tmp_path):
    """`site("old")("migrate")`: `manage.py` of an embedded site in a folder of its own."""
    (tmp_path / "backups").mkdir()

    def named(name: str) -> Run:
        env = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
            **dict.fromkeys(("DATABASE_URL", "PUBLIC_URL", "MEDIA_STORAGE_URL", "DEBUG", "BACKUP_RECIPIENTS"), ""),
            "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
            "MEDISCAN_DATA_DIR": str(tmp_path / name / "data"),
            "MEDISCAN_KEYS_FILE": str(tmp_path / name / "keys" / "keys.json"),
            "BACKUP_DIR": str(tmp_path / "backups"),
            "MEDISCAN_PASSWORD": "a long and private sentence",
            "LOG_LEVEL": "ERROR",
        }

        def run(*command: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=settings.BASE_DIR,
                env=env,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )

        return run

    return named


def test_an_older_one_is_migrated_forward_and_an_empty_site_makes_way(site, tmp_path):
    old, new = site("old"), site("new")
    keys = tmp_path / "new" / "keys" / "keys.json"
    assert old("migrate", "-v0").returncode == 0
    # The empty site: the same tables, made once for both, and keys of its own.
    shutil.copytree(tmp_path / "old" / "data", tmp_path / "new" / "data")
    KeyRing.load_or_create(keys)
    for command in (
        ("create_user", "boss", "--role", "admin"),
        # As if it had been made before that library's newest table was known.
        ("migrate", "-v0", "axes", "0008"),
        ("backup",),
    ):
        done = old(*command)
        assert done.returncode == 0, done.stderr
    identity = tmp_path / "old" / "keys" / "backup-identity.txt"

    refused = new("restore", str(tmp_path / "backups"), "--identity", str(identity))
    assert "move that file aside" in refused.stderr
    keys.rename(tmp_path / "aside.json")
    done = new("restore", str(tmp_path / "backups"), "--identity", str(identity))
    assert done.returncode == 0, done.stdout + done.stderr
    assert keys.stat().st_mode & 0o777 == 0o600
    shown = new("showmigrations", "axes").stdout
    assert "[X] 0009" in shown and "[ ]" not in shown
    assert "audit: ok" in new("verify_audit").stdout
    # The restored site continues the backups: in the same folder, for the same identity, and makes no other.
    assert new("backup").returncode == 0
    assert "it decrypts" in new("backup", "--verify", "--identity", str(identity)).stdout
    assert not (keys.parent / "backup-identity.txt").exists()
