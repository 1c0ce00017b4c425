"""The database of a backup into the database of this site, in place of whatever is there."""

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyrage
from django.db import connection

from mediscan_site.core import triggers
from mediscan_site.core.backup import dumps, sealing
from mediscan_site.core.backup.layout import BackupError

Identities = list[pyrage.x25519.Identity]


def load(sealed: Path, identities: Identities) -> None:
    """Decrypt and load the dump; tables that the backup does not have are dropped. Flat in memory."""
    _ENGINES[connection.vendor](sealed, identities)


def _sqlite(sealed: Path, identities: Identities) -> None:
    path = Path(connection.settings_dict["NAME"])
    aside = path.with_name(f"{path.name}.restoring")
    aside.unlink(missing_ok=True)
    connection.close()
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            sealing.unseal(sealed, file, identities)
        # SQLite's own way of copying minds the journal of a database in use; a file put in its place would be
        # overwritten by the old one, see findings/dbbackup_restore_leaves_live_sqlite_as_it_was.sh.
        with contextlib.closing(sqlite3.connect(aside)) as source, contextlib.closing(_opened(path)) as target:
            if source.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise BackupError("The database in the backup is damaged. Take another backup.")
            source.backup(target)
    finally:
        aside.unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    return sqlite3.connect(path, timeout=20)


def _mysql(sealed: Path, identities: Identities) -> None:
    _drop("SET FOREIGN_KEY_CHECKS = 0", "DROP TABLE {}", "SET FOREIGN_KEY_CHECKS = 1")
    arguments, env, database = dumps.command("mysql")
    _pipe([*arguments, database], env, sealed, identities)


def _postgres(sealed: Path, identities: Identities) -> None:
    _drop("DROP TABLE {} CASCADE")
    # The dump brings them too.
    triggers.drop_functions()
    connection.close()
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    arguments, env, database = dumps.command("pg_restore", *options)
    _pipe([*arguments, "--dbname", database], env, sealed, identities)


def _drop(*statements: str) -> None:
    with connection.cursor() as cursor:
        tables = ", ".join(map(connection.ops.quote_name, connection.introspection.table_names(cursor)))
        for statement in statements if tables else ():
            cursor.execute(statement.format(tables))
    connection.close()


def _pipe(arguments: list[str], env: dict[str, str], sealed: Path, identities: Identities) -> None:
    with dumps.piped(arguments, env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        sealing.unseal(sealed, process.stdin, identities)


_ENGINES: Final[dict[str, Callable[[Path, Identities], None]]] = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgres,
}
