"""What a database keeps of a row that is gone, removed where it can be."""

import logging

from django.db import connection

from mediscan_site.core import tidy

log = logging.getLogger(__name__)

PATIENCE_MS = 500


@tidy.register
def scrub() -> None:
    """SQLite: write the log of changes into the database (which overwrites what was deleted) and empty it.

    Readers can prevent that for the moment; then the next erasure does it, or the housekeeping within an hour. MySQL and
    PostgreSQL clean up by themselves, later: docs/privacy.md."""
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
