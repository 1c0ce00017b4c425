"""Is the store of objects this database's own? A small signed object in it, the marker, says whose it is.

Housekeeping removes what no row refers to. Beside an empty or wrong database that would be everything, so nothing starts,
writes or sweeps until the marker names this database. It lies beside the namespaces, where nothing that walks objects looks."""

import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import connection, transaction
from django.utils import timezone

from mediscan_site.core import audit, readiness
from mediscan_site.core.models import Blob, StoreOwner
from mediscan_site.core.readiness import NotReady
from mediscan_site.core.storage import ring
from mediscan_site.core.storage.foreign import ForeignStore, MarkerMissing
from mediscan_site.core.storage.keyfile import KeysError
from mediscan_site.core.storage.keys import KeyRing

log = logging.getLogger(__name__)

MARKER = "mediscan-site.json"
LARGEST = 4096
SAMPLE = 40
_PURPOSE = b"mediscan store marker, version 1"
REMEDY = (
    "Nothing was changed. If DATABASE_URL (or the .env file) or MEDIA_STORAGE_URL is missing or wrong, set it right. If the "
    "database was lost, restore a backup. Only if this store is really to be this database's: manage.py adopt_store"
)
# What the marker was when it was last found to be ours.
_required: object = None
_anyones = False


def require_once() -> None:
    """`require` before the first write of this process, and whenever the marker in a folder is not the same file any more: a disk
    that is taken away under a running site leaves an empty folder, which would take everything. In a bucket, once."""
    global _required
    stamp = _stamp()
    if stamp is not None and stamp == _required:
        return
    try:
        require()
    except ForeignStore as error:
        log.error("%s", error)
        raise
    _required = _stamp()


def forget() -> None:
    """Ask again before the next write."""
    global _required
    _required = None


def _stamp() -> object:
    """What changes with the marker, as far as a look costs nothing; None when there is none."""
    storage = _store()
    if not isinstance(storage, FileSystemStorage):
        return "in a bucket"
    try:
        facts = os.stat(f"{storage.location}/{MARKER}")  # noqa: PTH116 -- before each object that is written
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns


def require() -> None:
    """ForeignStore unless the marker names this database. A store that is empty, or plainly ours, is marked."""
    owner, found = _owner(), marker()
    if found is not None:
        _require_ours(found, owner)
    elif owner.marked_at is not None:
        raise MarkerMissing(
            f"The store has no marker ({MARKER}) any more, but this database's store had one: a disk may not be mounted, or the "
            f"store is another one. {REMEDY}"
        )
    elif not _plainly_ours():
        raise ForeignStore(f"The store holds objects that this database does not know. {REMEDY}")
    else:
        _mark(owner, ring.current())
    _remember(owner)


def adopt(keys: KeyRing) -> str:
    """From now on the store is this database's; returns the id of the site that it was marked for, or nothing."""
    found, owner = marker(), _owner()
    if found is not None:
        _store().delete(MARKER)
    _mark(owner, keys)
    _remember(owner)
    return str(found.get("site", "?"))[:32] if found else ""


def adopt_audited() -> str:
    """`adopt` by an operator who looked, in the trail."""
    previous = adopt(ring.current())
    with transaction.atomic():
        audit.record("store.adopt", actor=None, details={"previous": previous, "site": _owner().site})
    return previous


def require_free(keys: KeyRing) -> None:
    """ForeignStore when another site's keys signed the marker: a restore would write into its store."""
    found = marker()
    if found is not None and not _signed(found, keys):
        raise ForeignStore(f"The store is marked as another site's. {REMEDY}")


def require_no_strangers() -> None:
    """Before tables are made: a new database beside a store in use is the wrong database, or the wrong store."""
    if _anyones or not _database_is_empty():
        return
    if marker() is not None or holds_objects():
        raise ForeignStore(
            f"The database is new and empty, but the store ({_place()}) is already in use: it holds a site's objects. {REMEDY}"
        )


@contextmanager
def anyones() -> Iterator[None]:
    """Tables may be made beside any store: its administrator is about to adopt it."""
    global _anyones
    _anyones = True
    try:
        yield
    finally:
        _anyones = False


def marker() -> dict[str, Any] | None:
    """What the marker says; {} when it is no marker of ours at all, None when there is none."""
    try:
        with _store().open(MARKER, "rb") as file:
            found = json.loads(file.read(LARGEST))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def shards() -> list[str]:
    """The folders that hold objects, as `blobs.write` names them."""
    storage = _store()
    try:
        namespaces = storage.listdir("")[0]
    except FileNotFoundError:
        # A site that has stored nothing yet has no folder to list.
        return []
    return [f"{namespace}/{shard}" for namespace in namespaces for shard in storage.listdir(namespace)[0]]


def holds_objects() -> bool:
    return any(_store().listdir(folder)[1] for folder in shards())


def _store() -> Storage:
    return storages["blobs"]


def _place() -> str:
    blob_store: Any = settings.STORAGES["blobs"]
    options = blob_store.get("OPTIONS", {})
    return str(options.get("location") or options.get("bucket_name") or "MEDIA_STORAGE_URL")


def _owner() -> StoreOwner:
    """This database's id. Migrations make it; a database that was emptied gets another one."""
    return StoreOwner.objects.get_or_create(pk=1, defaults={"site": secrets.token_hex(16)})[0]


def _remember(owner: StoreOwner) -> None:
    if owner.marked_at is None:
        StoreOwner.objects.filter(pk=owner.pk).update(marked_at=timezone.now())


def _key(keys: KeyRing) -> Ed25519PrivateKey:
    """Of its own, so that no signature over anything else is ever one over a marker."""
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(keys.signing_seed, _PURPOSE, "sha256"))


def _signed(found: dict[str, Any], keys: KeyRing) -> bool:
    try:
        signature = bytes.fromhex(str(found.get("signature", "")))
        _key(keys).public_key().verify(signature, str(found.get("site", "")).encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _require_ours(found: dict[str, Any], owner: StoreOwner) -> None:
    if found.get("site") != owner.site:
        raise ForeignStore(f"The store is marked as another database's (site {str(found.get('site'))[:32]}). {REMEDY}")
    if not _signed(found, ring.current()):
        raise ForeignStore(f"The store's marker ({MARKER}) is not signed with this site's key. {REMEDY}")


def _mark(owner: StoreOwner, keys: KeyRing) -> None:
    signature = _key(keys).sign(owner.site.encode()).hex()
    content = json.dumps({"format": 1, "site": owner.site, "signature": signature}).encode()
    name = _store().save(MARKER, ContentFile(content))
    if name != MARKER:
        # Another process was quicker; if it was another site's, that is found now.
        _store().delete(name)
        _require_ours(marker() or {}, owner)


def _plainly_ours() -> bool:
    """A store without a marker, from before there were any: it has objects that only this database can name, or none at all."""
    paths = list(Blob.objects.filter(wrapped_key__isnull=False).order_by("pk").values_list("path", flat=True)[:SAMPLE])
    if paths:
        return any(_store().exists(path) for path in paths)
    return not holds_objects()


def _database_is_empty() -> bool:
    """Without making a database: SQLite would, by being asked."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not str(name).startswith(("file:", ":")):
        path = Path(name)
        if not path.exists() or not path.stat().st_size:
            return True
    return not connection.introspection.table_names()


@readiness.part("store")
def _ready() -> str:
    try:
        require()
    except ForeignStore as error:
        raise NotReady(error.word) from error
    except KeysError as error:
        # Said by the part "keys": without them no marker can be checked.
        raise NotReady("unknown") from error
    return "ok"
