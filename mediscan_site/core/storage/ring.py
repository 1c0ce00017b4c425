"""The key ring of this process, kept in step with the key file: a master added or removed elsewhere takes effect at once."""

from django.conf import settings

from mediscan_site.core.storage.keys import KeyRing

_loaded_at: int | None = None


def current() -> KeyRing:
    """The ring as the key file has it. Checking the file's time is cheap; wrapping with a removed master would lose data."""
    global _loaded_at
    changed_at = settings.KEYS_FILE.stat().st_mtime_ns
    if changed_at != _loaded_at:
        settings.KEY_RING = KeyRing.load(settings.KEYS_FILE)
        _loaded_at = changed_at
    ring: KeyRing = settings.KEY_RING
    return ring
