"""The database of a backup into the database of this site, in place of whatever is there."""

import contextlib
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, cast

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
    is_mysql = not getattr(connection, "mysql_is_mariadb", False)
    _pipe([*arguments, database], env, sealed, identities, Generated if is_mysql else None)


class Generated:
    """The lines of a dump on their way to MySQL. That takes no value for a generated column, and MariaDB's dump tool writes
    one in each row: such a column, a stored one as ours are, is filled as a plain one and computed again after the last row."""

    _TABLE = re.compile(rb"CREATE TABLE (`[^`]+`)")
    _COLUMN = re.compile(rb"  `[^`]+` .*?( GENERATED ALWAYS AS \(.*\) STORED)")

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._table = self._rest = b""
        self._afterwards: list[bytes] = []

    def write(self, data: bytes) -> int:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._target.write(b"".join(self._plain(line) + b"\n" for line in lines))
        return len(data)

    def end(self) -> None:
        self._target.write(b"\n".join([self._plain(self._rest), *self._afterwards, b""]))

    def _plain(self, line: bytes) -> bytes:
        # A line break inside a value is escaped in a dump: a row never looks like the definition of a column.
        if made := self._TABLE.match(line):
            self._table = made[1]
        if (column := self._COLUMN.match(line)) is None:
            return line
        self._afterwards.append(b"ALTER TABLE %b MODIFY%b;" % (self._table, line.removesuffix(b",")))
        return line[: column.start(1)] + line[column.end(1) :]


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


def _pipe(
    arguments: list[str],
    env: dict[str, str],
    sealed: Path,
    identities: Identities,
    through: type[Generated] | None = None,
) -> None:
    with dumps.piped(arguments, env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        lines = through(cast(BinaryIO, process.stdin)) if through else None
        sealing.unseal(sealed, lines or process.stdin, identities)
        if lines:
            lines.end()


_ENGINES: Final[dict[str, Callable[[Path, Identities], None]]] = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgres,
}
