"""The drill: backed up while scans come in, restored on an empty machine with the offline identity alone.

On every database that the suite runs on; the restored site gets a database, a data folder and a keys file of its own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site_settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from images.services import add_member, delete_scan, grant, remove_member, revoke
from mediscan_site.core import auth
from mediscan_site.core.backup import checking, journal, layout, services, signing
from mediscan_site.core.hashers import Argon2Hasher
from mediscan_site.core.models import Blob
from mediscan_site.core.services import issue_service_token, revoke_service_token, set_password, update_user
from mediscan_site.core.storage import ring
from tests.conftest import PASSWORD, PATIENCE_S, make_user, member
from tests.core.backup.conftest import flipped

pytestmark = pytest.mark.django_db(transaction=True)
Manage = Callable[..., "subprocess.CompletedProcess[str]"]

FACTS = """
import hashlib, json, sys
from django.test import Client
from django.contrib.sessions.models import Session
from images.models import Image
from mediscan_site.core import audit, start
from mediscan_site.core.models import Backup, Blob
from mediscan_site.core.storage import blobs
given = json.loads(sys.stdin.read())
start.require_own()
client, root = Client(headers={"host": "localhost"}), "/api/v1"
post = lambda path, body: client.post(root + path, json.dumps(body), content_type="application/json").status_code
print(json.dumps({
    "digests": {str(b.pk): hashlib.sha256(blobs.read(b)).hexdigest() for b in Blob.objects.filter(wrapped_key__isnull=False)},
    "live": Image.objects.filter(erased_at__isnull=True).count(),
    "broken": audit.verify(),
    "running": Backup.objects.filter(status="running").count(),
    "sessions": Session.objects.count(),
    "sign in": post("/auth/token/", {"username": "admin", "password": given["password"]}),
    "old access": client.get(root + "/projects/", headers={"authorization": "Bearer " + given["access"]}).status_code,
    "old refresh": post("/auth/token/refresh/", {"refresh": given["refresh"]}),
}))
"""


@pytest.fixture
def elsewhere(tmp_path):
    """The environment of an empty machine: no keys, no data, an empty database of the same engine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {
        **kept,
        **dict.fromkeys(
            ("PUBLIC_URL", "MEDIA_STORAGE_URL", "DEBUG", "BACKUP_DIR", "DATABASE_URL", "CELERY_BROKER_URL"), ""
        ),
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "MEDISCAN_DATA_DIR": str(tmp_path / "elsewhere" / "data"),
        "MEDISCAN_KEYS_FILE": str(tmp_path / "elsewhere" / "keys" / "keys.json"),
        "LOG_LEVEL": "ERROR",
    }
    if connection.vendor == "sqlite":
        yield env
        return
    name = f"mediscan_drill_{os.getpid()}"
    options = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if connection.vendor == "mysql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}{options}")
    try:
        address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        yield {**env, "DATABASE_URL": address, "SECRET_KEY": "k7Q2" * 16, "ALLOWED_HOSTS": "localhost"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def manage(elsewhere):
    def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=site_settings.BASE_DIR,
            env=elsewhere,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


def facts(manage: Manage, tokens: dict[str, str]):
    done = manage("shell", "-c", FACTS, given=json.dumps({"password": PASSWORD, **tokens}))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture
def signed_in(admin):
    """A session and tokens from before; the account has a password as a real site hashes it."""
    admin.password = Argon2Hasher().encode(PASSWORD, Argon2Hasher().salt())
    admin.save()
    session = SessionStore()
    session["_auth_user_id"] = str(admin.pk)
    session.create()
    return auth.token_pair(admin)


def backed_up_during_uploads(backup: Callable[..., Path], make_scan) -> Path:
    """A backup that runs while another thread stores scans as fast as it can."""
    enough, first, failures = threading.Event(), threading.Event(), []

    def upload() -> None:
        try:
            for seed in range(10, 400):
                make_scan(seed=seed, patient=f"patient{seed}")
                first.set()
                if enough.is_set():
                    return
        except Exception as error:
            failures.append(error)
        finally:
            first.set()
            connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    first.wait(PATIENCE_S)
    try:
        return backup()
    finally:
        enough.set()
        thread.join(PATIENCE_S)
        assert failures == []


def test_restored_on_an_empty_machine_all_of_it_is_there_and_nobody_is_signed_in(
    make_scan, backup, identity_file, manage, signed_in
):
    for seed in range(5):
        make_scan(seed=seed, patient=f"patient{seed}", label="NORMAL")
    folder = backed_up_during_uploads(backup, make_scan)
    manifest = checking.manifest_of(folder, trusted=signing.signer(ring.current()))
    assert manifest.damaged == []
    assert manifest.rows["images_image"] > 5

    done = manage("restore", str(folder.parent), "--identity", str(identity_file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(manifest.rows.values())} rows in {len(manifest.rows)} tables, all counted" in done.stdout
    assert f"head of the backup {manifest.audit[0]} {manifest.audit[1]}" in done.stdout

    found = facts(manage, signed_in)
    listed = {str(entry.id) for entry in layout.entries(folder / layout.OBJECTS)}
    assert found["digests"] == {str(blob.pk): blob.sha256 for blob in Blob.objects.filter(pk__in=listed)}
    assert found["live"] == manifest.rows["images_image"]
    assert (found["broken"], found["running"], found["sessions"]) == (None, 0, 0)
    assert (found["sign in"], found["old access"], found["old refresh"]) == (200, 401, 401)
    assert manage("verify_images").returncode == 0
    assert "repeat with --force" in manage("restore", str(folder), "--identity", str(identity_file)).stderr


def test_restored_over_a_site_in_use_what_came_later_is_gone_and_what_was_erased_stays_erased(
    make_scan, backup, admin, identity_file, manage, signed_in
):
    kept, doomed = make_scan(seed=1, patient="kept"), make_scan(seed=2, patient="doomed")
    older = backup()
    delete_scan(actor=admin, image=doomed)
    make_scan(seed=3, patient="later")
    newer = backup()
    assert manage("restore", str(newer), "--identity", str(identity_file)).returncode == 0
    assert facts(manage, signed_in)["live"] == 2

    done = manage("restore", str(older), "--identity", str(identity_file), "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 scans erased again" in done.stdout
    found = facts(manage, signed_in)
    assert str(kept.blob_id) in found["digests"] and str(doomed.blob_id) not in found["digests"]
    assert (found["live"], found["broken"]) == (1, None)


def test_an_object_that_no_backup_has_whole_is_left_out_on_request_and_refused_from_then_on(
    make_scan, backup, identity_file, manage
):
    image, other = make_scan(seed=1), make_scan(seed=2)
    folder = backup()
    flipped(layout.object_file(folder.parent, image.blob_id))
    refused = manage("restore", str(folder), "--identity", str(identity_file))
    assert "restore --without-damaged" in refused.stderr
    done = manage("restore", str(folder), "--identity", str(identity_file), "--without-damaged")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"in quarantine: {image.blob_id}" in done.stderr
    listed = manage("verify_images")
    assert listed.returncode == 1
    assert str(image.blob_id) in listed.stdout and str(other.blob_id) not in listed.stdout


def test_what_was_erased_or_withdrawn_since_the_only_backup_does_not_come_back(
    make_scan, backup, admin, author, colleague, project, identity_file, manage, signed_in
):
    kept, doomed = make_scan(seed=1, patient="kept"), make_scan(seed=2, patient="doomed")
    second = make_user("second", role="admin")
    bridge, _ = issue_service_token(actor=author, user=author, name="bridge")
    issue_service_token(actor=admin, user=admin, name="stays")
    gone, back = member(project, admin, "gone"), member(project, admin, "back")
    grant(actor=admin, project=project, user=colleague, codename="deploy_model")
    folder = backup()

    delete_scan(actor=admin, image=doomed)
    update_user(actor=admin, user=second, changes={"role": "doctor"})
    update_user(actor=admin, user=author, changes={"is_active": False})
    set_password(actor=None, user=colleague, password="another horse battery staple")
    revoke_service_token(actor=admin, token=bridge)
    remove_member(actor=admin, project=project, user=gone)
    remove_member(actor=admin, project=project, user=back)
    add_member(actor=admin, project=project, user=back)
    revoke(actor=admin, project=project, user=colleague, codename="deploy_model")
    services.keep_journal()
    text = (folder.parent / journal.FILE).read_text()
    assert "doomed" not in text and "author" not in text

    done = manage("restore", str(folder), "--identity", str(identity_file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 scans erased again" in done.stdout
    for sentence in (
        "The account author is deactivated again.",
        "second is no administrator any more.",
        "The service token bridge (author) is revoked again.",
        "gone is no member of Chest X-ray any more.",
        "colleague has the right deploy_model in Chest X-ray no more.",
        "colleague has the password from before",
    ):
        assert f"withdrawn: {sentence}" in done.stdout
    assert "back is no member" not in done.stdout and "stays" not in done.stdout
    assert "1 service tokens are valid" in done.stdout
    found = facts(manage, signed_in)
    assert str(kept.blob_id) in found["digests"] and str(doomed.blob_id) not in found["digests"]
    assert (found["live"], found["broken"], found["sign in"]) == (1, None, 200)
