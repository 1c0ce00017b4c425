"""Is a key file this site's own? The database keeps a check value of each key, from which no key can be computed.

With another site's file everything would seem to work: what is stored meanwhile opens with nothing later, and patients get
other pseudonyms. So a ring is used only when every purpose's key and every master known here is the one that is known, and no
master that stored keys need is missing. Masters that are new in a file of our own are learnt as they are met (a rotation)."""

import hmac
import logging

from django.conf import settings
from django.db import connection

from mediscan_site.core import readiness
from mediscan_site.core.models import Blob, KeyCheck
from mediscan_site.core.readiness import NotReady
from mediscan_site.core.storage import rotation
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.foreign import ForeignKeys
from mediscan_site.core.storage.keyfile import KeyMissing, KeysError
from mediscan_site.core.storage.keys import KeyRing

log = logging.getLogger(__name__)

MASTER = "master "
# How many wrapped keys prove that a file is the one of a site that has no check values yet.
SAMPLE = 40
REMEDY = (
    "Nothing is stored or read with it. Put the site's own key file there (from its copy), or point MEDISCAN_KEYS_FILE and "
    "DATABASE_URL to what belongs together."
)


def require(ring: KeyRing) -> None:
    """ForeignKeys unless these are the site's keys. A database that knows none yet learns them, if they open what it has."""
    try:
        _require(ring)
    except KeysError as error:
        # Callers are told that something is wrong; what, and the remedy, is here.
        log.error("%s", error)
        raise


def _require(ring: KeyRing) -> None:
    _require_table()
    known = _known()
    if not known:
        _require_opens(ring)
        learn(ring)
        known = _known()
    _require_same(ring, known)
    if set(ring.checks()) - set(known):
        learn(ring)


def learn(ring: KeyRing) -> None:
    """Keep the check values of keys that are not known yet."""
    rows = [KeyCheck(name=name, value=value) for name, value in ring.checks().items()]
    KeyCheck.objects.bulk_create(rows, ignore_conflicts=True)


def adopt(ring: KeyRing) -> None:
    """From now on these are the site's keys, whatever was known: after a restore. ForeignKeys if they do not open what it has."""
    _require_opens(ring)
    KeyCheck.objects.all().delete()
    learn(ring)


def forget_master(key_id: str) -> None:
    """A master that was retired is not missed any more."""
    KeyCheck.objects.filter(name=f"{MASTER}{key_id}").delete()


def _known() -> dict[str, str]:
    return dict(KeyCheck.objects.values_list("name", "value"))


def _require_table() -> None:
    if KeyCheck._meta.db_table not in connection.introspection.table_names():
        raise KeysError("The database has not the tables of this version yet. Run manage.py migrate first.")


def _require_same(ring: KeyRing, known: dict[str, str]) -> None:
    checks = ring.checks()
    differing = [name for name, value in checks.items() if not _fits(name, value, known)]
    if differing:
        raise ForeignKeys(
            f"The key file {settings.KEYS_FILE} is not this site's: {', '.join(differing)} differ from the keys that its "
            f"database knows. {REMEDY}"
        )
    for name in set(known) - set(checks):
        _require_not_needed(name.removeprefix(MASTER))


def _fits(name: str, value: str, known: dict[str, str]) -> bool:
    """A master may be new, a purpose's key may not."""
    if name not in known:
        return name.startswith(MASTER)
    return hmac.compare_digest(value, known[name])


def _require_not_needed(key_id: str) -> None:
    """A file from before a rotation lacks the newest master."""
    if needed := rotation.in_words(key_id):
        raise ForeignKeys(
            f"The key file {settings.KEYS_FILE} lacks master key {key_id}, which {needed} need: it is older than the last "
            f"rotation, or another site's. {REMEDY}"
        )


def _require_opens(ring: KeyRing) -> None:
    """Ids are random, so the first ones are a fair sample. Most must open, not all: a few rows may be damaged."""
    # No other columns: migrations ask, too, before there are those that later ones add.
    rows = Blob.objects.filter(wrapped_key__isnull=False).order_by("pk")
    sample = list(rows.values_list("pk", "wrapped_key", "key_id")[:SAMPLE])
    opened = sum(_opens(ring, *row) for row in sample)
    if 2 * opened < len(sample):
        raise ForeignKeys(
            f"The key file {settings.KEYS_FILE} is not this site's: it opens {opened} of {len(sample)} stored file keys. {REMEDY}"
        )


def _opens(ring: KeyRing, pk: object, wrapped: bytes | memoryview | None, key_id: str) -> bool:
    try:
        ring.unwrap(bytes(wrapped or b""), key_id=key_id, object_id=str(pk))
    except (KeyMissing, DamagedObject):
        return False
    return True


@readiness.part("keys")
def _ready() -> str:
    """Asked afresh, whatever this process has in memory."""
    try:
        require(KeyRing.load(settings.KEYS_FILE))
    except ForeignKeys as error:
        raise NotReady("foreign") from error
    except KeysError as error:
        raise NotReady("unusable") from error
    return "ok"
