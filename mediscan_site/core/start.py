"""What every process makes sure of before it takes work: keys and store are this site's own."""

import logging
import sys

from django.db import connections

from mediscan_site.core import durability
from mediscan_site.core.storage import own_store, ring
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keyfile import KeysError

log = logging.getLogger(__name__)


def require_own() -> None:
    """KeysError or ForeignStore, with the remedy. A database that may lose what it answered is a notice."""
    ring.forget()
    ring.current()
    own_store.forget()
    own_store.require_once()
    durability.note()


def is_own() -> bool:
    """Whether work may begin now. What is foreign is named in the log."""
    try:
        ring.current()
        own_store.require_once()
    except (KeysError, ForeignStore) as error:
        log.error("Work has to wait: %s", error)
        return False
    return True


def at_start() -> None:
    """End this process when keys or store are not its own. A database or store that is away is asked at the first use."""
    try:
        require_own()
    except (KeysError, ForeignStore) as error:
        sys.exit(f"MediScan cannot start. {error}")
    except Exception:
        log.exception(
            "Whether keys and store are this site's own cannot be seen now; it is asked again at their first use"
        )
    finally:
        # Workers fork: their children must not share a connection.
        connections.close_all()
