"""A site of the first release, with data in it, is brought up to date by `manage.py migrate` alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
# The last migrations of that release.
FIRST = [
    ("core", "0002_data_in_and_out"),
    ("images", "0005_conformal_target"),
    ("labeling", "0006_kept_labels"),
    ("models_registry", "0001_initial"),
    ("training", "0001_initial"),
]
# Runs in a process of its own: the tests' database has the tables of today.
SITE = """
import json, sys
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from mediscan_site.core.storage.keys import KeyRing

first = [tuple(one) for one in json.loads(sys.argv[1])]
MigrationExecutor(connection).migrate(first)
then = MigrationExecutor(connection).loader.project_state(first).apps
User, Blob, Event = (then.get_model("core", name) for name in ("User", "Blob", "AuditEvent"))
Project, Image = (then.get_model("images", name) for name in ("Project", "Image"))
ring = KeyRing.load(django.conf.settings.KEYS_FILE)
admin = User.objects.create(username="Anna", role="admin", is_staff=True, is_superuser=True)
project = Project.objects.create(name="Chest", modality="X-ray", created_by=admin)
kept = {}
for number in range(3):
    blob = Blob(path=f"{number}", sha256=f"{number:064d}", size=number, stored_size=number)
    blob.key_id, blob.wrapped_key = ring.wrap(bytes(32), object_id=str(blob.pk))
    blob.save(force_insert=True)
    scan = Image.objects.create(
        project=project, blob=blob, uploaded_by=admin, file_name=f"film {number}.png", image_format="PNG", width=9,
        height=9, size=number, received_sha256=f"{number:064d}", sha256=f"{number:064d}",
    )
    kept[scan.pk] = scan.file_name
    Event.objects.create(actor=admin, actor_name="Anna", action="scan.upload", object_type="image", object_id=str(scan.pk))
call_command("migrate", verbosity=0)

from images import counts, naming_index
from images.models import Image
print(json.dumps({
    "scans": {str(row.pk): row.file_name for row in Image.objects.all()} == {str(pk): name for pk, name in kept.items()},
    "desks": sorted(set(Image.objects.values_list("desk", flat=True))),
    "counted": sum(row.number for row in counts.scan_numbers([project.pk])[project.pk]),
    "named": len(naming_index.scans_named([project.pk], "film") or []),
}))
"""


@pytest.fixture
def site(tmp_path):
    """`site(*command)` runs Python beside a data folder of its own, and returns what it printed."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "MEDISCAN_DATA_DIR": str(tmp_path),
        "MEDISCAN_KEYS_FILE": str(tmp_path / "keys.json"),
        **dict.fromkeys(
            ("DATABASE_URL", "CELERY_BROKER_URL", "MEDIA_STORAGE_URL", "MLFLOW_TRACKING_URI", "SECRET_KEY"), ""
        ),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def test_a_site_of_the_first_release_keeps_all_it_has(site):
    told = json.loads(site("-c", SITE, json.dumps(FIRST)).splitlines()[-1])
    assert told == {"scans": True, "desks": ["label"], "counted": 3, "named": 3}
    assert "audit: ok, " in site("manage.py", "verify_audit")
