"""The key ring of this process: the site's own, or none.

A file is compared with the database once and whenever it changes, before any of its keys is used: a master added or removed
elsewhere takes effect at once, and a file that is another site's, even one put in place under a running site, seals nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from mediscan_site.core.storage import own_keys
from mediscan_site.core.storage.keys import KeyRing

# What the file was when its keys were last found to be the site's own.
_loaded_at: object = None
_trusting = False


def current() -> KeyRing:
    """The ring as the key file has it; KeysError when the file is missing, malformed or not this site's. Looking at the file's
    time is cheap; wrapping with a removed master would lose data."""
    global _loaded_at
    stamp = _stamp()
    if stamp is None or stamp != _loaded_at:
        settings.KEY_RING = _own()
        _loaded_at = None if _trusting else stamp
    ring: KeyRing = settings.KEY_RING
    return ring


def _stamp() -> object:
    """What changes with the file; None when it cannot be seen, which loading it explains."""
    try:
        facts = os.stat(settings.KEYS_FILE)  # noqa: PTH116 -- before each object that is written
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino, facts.st_size


def _own() -> KeyRing:
    loaded = KeyRing.load(settings.KEYS_FILE)
    if not _trusting:
        own_keys.require(loaded)
    return loaded


def forget() -> None:
    """Compare the file with the database again before its next use."""
    global _loaded_at
    _loaded_at = None


@contextmanager
def trusted() -> Iterator[None]:
    """For a restore, which brings the keys before the database that knows them: what is in place is used as it is."""
    global _trusting
    _trusting = True
    forget()
    try:
        yield
    finally:
        _trusting = False
        forget()
