"""From a backup to a working site. All of it is checked before anything is written; afterwards nothing that was signed out,
erased or revoked comes back."""

import base64
import contextlib
import io
import json
import logging
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from mediscan_site.core import audit
from mediscan_site.core.backup import (
    checking,
    dumps,
    hooks,
    journal,
    layout,
    loads,
    objects,
    place,
    sealing,
    signing,
    withdrawing,
)
from mediscan_site.core.backup.checking import Sound
from mediscan_site.core.backup.layout import BackupError, Manifest
from mediscan_site.core.backup.sealing import Identity
from mediscan_site.core.models import ACTIVE, Backup, Blob, User, WorkStatus
from mediscan_site.core.storage import blobs, damage, keyfile, own_keys, own_store, ring
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keys import KeyRing

log = logging.getLogger(__name__)

ENDED = "A restore ended this backup."


@dataclass(frozen=True)
class Restored:
    """What is there now. `lost`: objects that the backup does not have whole; `damaged`: all that do not verify;
    `withdrawn`: sentences about rights that the backup had and that were withdrawn since."""

    manifest: Manifest
    lost: tuple[str, ...]
    written: int
    there: int
    erased: int
    verified: int
    damaged: tuple[str, ...]
    withdrawn: tuple[str, ...]


def restore(
    path: Path, *, identity: Identity | None, signer: str = "", force: bool = False, without_damaged: bool = False
) -> Restored:
    """Bring back the backup in `path` (or the newest below it). BackupError, and nothing changed, when it cannot be trusted,
    is not whole, does not fit this site, or (without `force`) would overwrite one."""
    folder = _chosen(path)
    if identity is None:
        raise BackupError("Give the identity that opens the backup: --identity FILE. It was kept away from the server.")
    trusted = _trusted(folder, identity, signer)
    sound = checking.check(folder, trusted=trusted, identity=identity, allow_lost=without_damaged)
    keys = _keys(sound, identity)
    _require_fitting(sound.manifest)
    _require_writable_keys()
    _require_stopped()
    _require_free_store(sound, keys)
    if not force and not _is_empty():
        raise BackupError(
            "This site has data. To replace all of it by the backup, stop the site and repeat with --force."
        )
    return _write(sound, keys, identity)


def _chosen(path: Path) -> Path:
    if (path / layout.MANIFEST).is_file():
        # Newer backups next to it say what was erased since, and the objects are there too.
        return path.resolve()
    folders = layout.folders(path) if path.is_dir() else []
    if not folders:
        raise BackupError(f"{path} is neither a backup nor a folder of backups. Name one of the folders in BACKUP_DIR.")
    return folders[-1].resolve()


def _trusted(folder: Path, identity: Identity, given: str) -> str:
    """Who must have signed: this site by its keys file, else the site that the identity file names, else `--signer`."""
    claimed = layout.parse(layout.read_small(folder / layout.MANIFEST)).signer
    if settings.KEYS_FILE.exists():
        ours = signing.signer(KeyRing.load(settings.KEYS_FILE))
        if ours != claimed:
            raise BackupError(
                f"The backup is not of this site: the keys file {settings.KEYS_FILE} is another site's. If this machine is to "
                "become the site of the backup, move that file aside (do not delete it) and restore again."
            )
        return ours
    known = identity.signer or given.strip().lower()
    if not known:
        raise BackupError(
            f"Nothing here proves whose backup this is. It says it was signed by {claimed}: if that is the signer that you noted "
            f"(backup --list shows it), repeat with --signer {claimed}"
        )
    return known


def _keys(sound: Sound, identity: Identity) -> bytes:
    """The keys file of the backup; BackupError when it did not sign it, or lacks or contradicts what is in place."""
    opened = io.BytesIO()
    sealing.unseal(sound.folder / layout.KEYS, opened, identity.keys)
    keys = opened.getvalue()
    if signing.signer(KeyRing.parse(keys, sound.folder / layout.KEYS)) != sound.manifest.signer:
        raise BackupError("The keys in the backup are not those that signed it. Take another backup.")
    if settings.KEYS_FILE.exists() and not _extends(keyfile.read_private(settings.KEYS_FILE), keys):
        raise BackupError(
            f"The keys file {settings.KEYS_FILE} differs from the one in the backup, and lacks keys that the backup needs. It is "
            "never overwritten: move it aside (do not delete it) and restore again."
        )
    return keys


def _extends(present: bytes, wanted: bytes) -> bool:
    """Whether the file in place has every key of the other: masters may have been added since, the token key changed."""
    here, there = json.loads(present), json.loads(wanted)
    same = all(here.get(name) == there[name] for name in set(there) - {"masters", "primary", "jwt"})
    return same and there["masters"].items() <= here["masters"].items()


def _require_writable_keys() -> None:
    """Its token key is renewed at the end: find out now whether that works, by writing what is already there."""
    path = settings.KEYS_FILE
    try:
        if path.exists():
            keyfile.write(path.resolve(), keyfile.read_private(path), new=False)
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(
            f"The keys file {path} cannot be replaced ({error.strerror}), and a restore renews a key in it. Set "
            "MEDISCAN_KEYS_FILE to a place that can be written, restore, then put the file where the site reads it."
        ) from error


def _require_fitting(manifest: Manifest) -> None:
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"The backup is of a site on {manifest.engine}; this one is on {connection.vendor}. Set DATABASE_URL to a "
            f"{manifest.engine} database and restore again."
        )
    disk = MigrationLoader(None).disk_migrations
    known = set(disk).union(*(migration.replaces for migration in disk.values()))
    newer = [
        f"{app}.{name}" for app, names in manifest.migrations.items() for name in names if (app, name) not in known
    ]
    if newer:
        raise BackupError(f"The backup is of a newer MediScan (it has {newer[0]}). Install that version, then restore.")


def _require_stopped() -> None:
    """A running site would write into what is being replaced."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((settings.DATA_DIR / "supervisord.pid").read_text()), 0)
        raise BackupError("The site is running. Stop it (Ctrl-C in make serve), then restore.")


def _require_free_store(sound: Sound, keys: bytes) -> None:
    """Nothing is written into the store of another site."""
    try:
        own_store.require_free(KeyRing.parse(keys, sound.folder / layout.KEYS))
    except ForeignStore as error:
        raise BackupError(str(error)) from error


def _is_empty() -> bool:
    tables = set(connection.introspection.table_names())
    return not any(model._meta.db_table in tables and model.objects.exists() for model in (User, Blob))


def _write(sound: Sound, keys: bytes, identity: Identity) -> Restored:
    with ring.trusted():
        _write_down_the_last(sound.root)
        _put_keys(keys)
        kept = journal.read(sound.root, ring.current())
        sound = replace(sound, erased=sound.erased | withdrawing.erased(kept))
        place.go_on_for(identity)
        loads.load(sound.folder / layout.DATABASE, identity.keys)
        _require_counted(sound.manifest)
        written, there = _put_objects(sound)
        call_command("migrate", verbosity=0)
        own_keys.adopt(ring.current())
    own_store.adopt(ring.current())
    erased = _forget_erased(sound)
    _end_what_was_open(sound.manifest)
    facts = {"name": sound.manifest.name, "objects": written + there, "erased": erased}
    with transaction.atomic():
        audit.record("backup.restore", actor=None, details=facts)
    withdrawn = tuple(withdrawing.replay(kept, sound.manifest.made))
    verified, damaged = _verified()
    lost = tuple(sorted({*sound.manifest.damaged, *sound.lost}))
    return Restored(sound.manifest, lost, written, there, erased, verified, damaged, withdrawn)


def _write_down_the_last(root: Path) -> None:
    """What the database that is about to be replaced knows of erasures and withdrawals, if it is still there."""
    try:
        if settings.KEYS_FILE.exists() and not _is_empty():
            journal.keep(root, settings.KEY_RING)
    except (DatabaseError, OSError) as error:
        log.warning("Nothing was learned of the database that is being replaced: %s", error)


def _put_keys(keys: bytes) -> None:
    """The keys file, if there is none; then a new key for API tokens, so that no old one is valid any more."""
    path = settings.KEYS_FILE
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyfile.write(path, keys, new=True)
    document = json.loads(keyfile.read_private(path))
    document["jwt"] = base64.b64encode(secrets.token_bytes(32)).decode()
    keyfile.write(path.resolve(), json.dumps(document, indent=1).encode() + b"\n", new=False)
    settings.KEY_RING = KeyRing.load(path)


def _require_counted(manifest: Manifest) -> None:
    counted = dumps.counted(connection).rows
    wrong = [name for name, count in manifest.rows.items() if counted.get(name) != count]
    if wrong:
        raise BackupError(
            f"The database was loaded, but table {wrong[0]} has {counted.get(wrong[0])} rows and not {manifest.rows[wrong[0]]}. "
            "Nothing else was restored. Restore again, or take another backup."
        )


def _put_objects(sound: Sound) -> tuple[int, int]:
    written = there = 0
    for entry in sound.entries():
        if objects.stored_whole(entry):
            there += 1
        else:
            objects.put_back(sound.root, entry)
            written += 1
    return written, there


def _forget_erased(sound: Sound) -> int:
    """What was destroyed since the backup stays destroyed; what the backup could not copy is refused from now on."""
    ids = sorted(sound.erased)
    for start in range(0, len(ids), objects.BATCH):
        blobs.drop_keys(Blob.objects.filter(pk__in=ids[start : start + objects.BATCH], wrapped_key__isnull=False))
    for object_id in (*sound.manifest.damaged, *sound.lost):
        damage.mark(Blob(pk=object_id), found_by="restore")
    return hooks.run()


def _end_what_was_open(manifest: Manifest) -> None:
    """Sessions and refresh tokens end. The row of this backup was still running when it was dumped."""
    Session.objects.all().delete()
    OutstandingToken.objects.all().delete()
    now = timezone.now()
    made = {"status": WorkStatus.SUCCEEDED, "progress": 1.0, "finished_at": now, "verified_at": now}
    facts = {"objects_total": manifest.objects, "size": manifest.size}
    Backup.objects.filter(name=manifest.name).update(**made, **facts)
    open_still = Backup.objects.filter(status__in=ACTIVE)
    open_still.update(status=WorkStatus.FAILED, error=ENDED, finished_at=now)


def _verified() -> tuple[int, tuple[str, ...]]:
    """Reads, decrypts and re-hashes every object that should be readable; the audit chain and its head are the caller's."""
    readable = [blob for blob in objects.rows() if blob.wrapped_key is not None]
    damaged = tuple(str(blob.pk) for blob in readable if blobs.is_damaged(blob))
    return len(readable), damaged
