"""Django's SQLite with a lock that is asked for every millisecond.

SQLite itself waits 1, 2, 5, 10, 15, 20, 25 and up to 100 ms between two tries (`sqliteDefaultBusyCallback` of its main.c). A write
here takes a millisecond or two: whoever met one slept through the next five, while the processor was idle."""

import sqlite3
import time
from typing import Final

from django.db.backends.sqlite3 import base

AGAIN_S: Final = 0.001


class DatabaseWrapper(base.DatabaseWrapper):
    transaction_mode: str | None
    connection: sqlite3.Connection

    def _start_transaction_under_autocommit(self) -> None:
        patience = float(self.settings_dict["OPTIONS"].get("timeout", 5.0))
        self.ensure_connection()
        with self.wrap_database_errors:
            try:
                self.connection.execute("PRAGMA busy_timeout = 0")
                try:
                    self._begin(time.monotonic() + patience)
                finally:
                    self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")
            except BaseException:
                # A task whose time is up stops anywhere: what Django does not know to be open nobody would close.
                self.connection.rollback()
                raise

    def _begin(self, deadline: float) -> None:
        while not self._begun(last=time.monotonic() >= deadline):
            time.sleep(AGAIN_S)

    def _begun(self, *, last: bool) -> bool:
        try:
            self.connection.execute(f"BEGIN {self.transaction_mode or ''}")
        except sqlite3.OperationalError as error:
            # Not for what no waiting mends: a write after a read of this connection that somebody's has overtaken.
            if last or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True
