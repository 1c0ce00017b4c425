"""What SQLite's planner knows of the tables. Servers count by themselves; SQLite counts only when it is asked to, and guesses
else: among 100,000 scans it then read all of them for those of one study."""

from typing import Final

from django.db import connection, transaction

from mediscan_site.core import tidy

# So many entries of each index are looked at: hundredths of a second, however many there are.
LOOKED_AT: Final = 1000
# Of a smaller table it shall go on guessing: it takes one of unknown size for large, and one that was small an hour ago for small.
LARGE: Final = 20_000


@tidy.register
def count() -> None:
    if connection.vendor != "sqlite":
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"PRAGMA analysis_limit={LOOKED_AT}")
        cursor.execute("ANALYZE")
        # The first number of each index is that of the rows.
        small = "SELECT tbl FROM sqlite_stat1 GROUP BY tbl HAVING MAX(CAST(stat AS INTEGER)) < %s"
        cursor.execute(f"DELETE FROM sqlite_stat1 WHERE tbl IN ({small})", [LARGE])  # noqa: S608 -- our own words
        # Read again what is there now; who asks for ANALYZE later on this connection gets all of it.
        cursor.execute("ANALYZE sqlite_schema")
        cursor.execute("PRAGMA analysis_limit=0")
