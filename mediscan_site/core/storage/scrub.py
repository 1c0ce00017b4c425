"""What a database keeps of a row that is gone, cut off where it can be."""

import logging

from django.db import connection

from mediscan_site.core import tidy

log = logging.getLogger(__name__)

PATIENCE_MS = 500


@tidy.register
def scrub() -> None:
    """SQLite: write the log of changes into the database (which overwrites what was deleted) and empty it.

    Readers at this very moment keep it from that; then the next erasure, or an hour later the housekeeping, does it. MySQL
    and PostgreSQL clean up by themselves, later: docs/privacy.md."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        try:
            if cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                log.info("The log of the database is in use and is emptied later")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={int(before)}")
