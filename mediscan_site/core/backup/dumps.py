"""The database as one stream, and what exactly that stream holds.

Each engine's own tool makes a consistent copy while the site works on: SQLite `VACUUM INTO`, `mysqldump --single-transaction`,
`pg_dump`. No plaintext reaches a disk: the servers' dumps are piped into the encryption, SQLite's copy is in memory (a file
in a RAM-backed folder, unlinked as soon as it is open). The census is of the same snapshot: read from SQLite's copy, in the
transaction whose snapshot pg_dump was given, or counted in mysqldump's lines as they pass.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from mediscan_site.core.backup import signing
from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.models import AuditSeal, Blob
from mediscan_site.core.storage import ring
from mediscan_site.core.trail.beginning import GENESIS

RAM_FOLDER = Path("/dev/shm")  # noqa: S108 -- in memory: a plaintext copy of the database must not be on a disk
SEALS: Final = AuditSeal._meta.db_table
BLOBS: Final = Blob._meta.db_table
_TOOLS: Final = {
    "mysqldump": (("mariadb-dump", "mysqldump"), "mariadb-client or mysql-client"),
    "mysql": (("mariadb", "mysql"), "mariadb-client or mysql-client"),
    "pg_dump": (("pg_dump",), "postgresql-client"),
    "pg_restore": (("pg_restore",), "postgresql-client"),
}


@dataclass
class Census:
    """What is in the dump: rows per table, ids of all stored objects it knows, and its last seal."""

    rows: dict[str, int] = field(default_factory=dict)
    objects: set[UUID] = field(default_factory=set)
    audit: tuple[int, str] = (0, GENESIS)


@dataclass
class Dump:
    """`stream` is read to its end, with each piece shown to `look`; then `census` is complete."""

    stream: BinaryIO
    census: Census
    look: Callable[[bytes], None] | None = None


def tool(name: str) -> str:
    """The path of a database's command-line tool; BackupError names the package that has it."""
    names, package = _TOOLS[name]
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise BackupError(f"{' or '.join(names)} is not installed. Install the package {package}.")
    return path


def command(name: str, *options: str) -> tuple[list[str], dict[str, str], str]:
    """Command, environment (it carries the password) and database name, as Django's own client would connect."""
    (_, *where), env = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    *where, database = where
    program = tool(name)
    where += _mysql_tls(program) if connection.vendor == "mysql" else []
    return [program, *where, *options], {**os.environ, **(env or {})}, database


def _mysql_tls(program: str) -> list[str]:
    """The connection's TLS mode in the words of this tool: Django passes the files on, and not that they be checked.

    PostgreSQL's tools read all of it from the environment that Django gives them."""
    mode = str(connection.settings_dict["OPTIONS"].get("ssl_mode", ""))
    if mode in ("", "DISABLED", "PREFERRED"):
        return []
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    if "mariadb" not in version.lower():
        return [f"--ssl-mode={mode}"]
    # MariaDB's tools have no third way: the certificate is checked, with the name, or only asked for.
    return (
        ["--ssl", "--ssl-verify-server-cert"]
        if mode.startswith("VERIFY")
        else ["--ssl", "--skip-ssl-verify-server-cert"]
    )


@contextlib.contextmanager
def piped(arguments: list[str], env: dict[str, str], **pipes: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a tool alongside the body; BackupError with the tool's own words when it failed."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(arguments, env=env, stderr=complaints, **pipes)  # noqa: S603 -- our own options, no shell
        try:
            yield process
        except BrokenPipeError:
            # The tool ended before all was written: it says why below.
            pass
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if process.wait():
            complaints.seek(0)
            words = complaints.read(2000).decode(errors="replace").strip()
            raise BackupError(f"{Path(arguments[0]).name} failed: {words or f'exit {process.returncode}'}")


@contextlib.contextmanager
def dumped() -> Iterator[Dump]:
    """The present database as a dump."""
    with _ENGINES[connection.vendor]() as dump:
        yield dump


@contextlib.contextmanager
def _sqlite() -> Iterator[Dump]:
    # Not mode=ro: SQLite 3.40 then refuses to copy a table with a check and a generated column. Nothing is written through it.
    source = sqlite3.connect(
        f"{Path(connection.settings_dict['NAME']).resolve().as_uri()}?mode=rw", uri=True, timeout=20
    )
    with contextlib.closing(source), _in_memory(source) as folder:
        copy = folder / "db"
        source.execute("VACUUM INTO ?", (str(copy),))
        with copy.open("rb") as stream, contextlib.closing(sqlite3.connect(copy)) as read:
            tables = _sqlite_tables(read)
            copy.unlink()
            yield Dump(stream, _census(lambda sql: read.execute(sql).fetchall(), tables, connection.ops.quote_name))


def _sqlite_tables(read: sqlite3.Connection) -> list[str]:
    rows = read.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in rows.fetchall()]


@contextlib.contextmanager
def _in_memory(source: sqlite3.Connection) -> Iterator[Path]:
    """A folder in memory that can take the copy; BackupError where there is none. Removes what a killed backup left."""
    (pages,), (page,) = source.execute("PRAGMA page_count").fetchone(), source.execute("PRAGMA page_size").fetchone()
    needed = pages * page + 2**20
    # Named after the site: other sites on this machine may be at work.
    prefix = f"mediscan-backup-{signing.signer(ring.current())[:16]}-"
    for left in RAM_FOLDER.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    if not RAM_FOLDER.is_dir() or shutil.disk_usage(RAM_FOLDER).free < needed:
        raise BackupError(
            f"{RAM_FOLDER} has no room for a copy of the database ({needed >> 20} MiB), and a copy in the clear may not be put "
            "on a disk. Make it larger (docker run --shm-size), or move to MySQL or PostgreSQL, which stream."
        )
    with tempfile.TemporaryDirectory(dir=RAM_FOLDER, prefix=prefix) as folder:
        yield Path(folder)


def _census(rows_of: Callable[[str], list[Any]], tables: list[str], quote: Callable[[str], str]) -> Census:
    """Count what a consistent view shows. Table names come from the database itself."""
    rows = {name: int(rows_of(f"SELECT count(*) FROM {quote(name)}")[0][0]) for name in sorted(tables)}  # noqa: S608
    objects = {UUID(str(row[0])) for row in rows_of(f"SELECT id FROM {quote(BLOBS)}")}  # noqa: S608
    head = rows_of(f"SELECT seq, hash FROM {quote(SEALS)} ORDER BY seq DESC LIMIT 1")  # noqa: S608
    return Census(rows, objects, (int(head[0][0]), str(head[0][1])) if head else (0, GENESIS))


def counted(database: BaseDatabaseWrapper) -> Census:
    """What a connection sees now."""
    with database.cursor() as cursor:
        tables = database.introspection.table_names(cursor)
        return _census(lambda sql: _fetched(cursor, sql), tables, database.ops.quote_name)


def _fetched(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql)
    return list(cursor.fetchall())


@contextlib.contextmanager
def _postgres() -> Iterator[Dump]:
    # A connection of its own: the snapshot must live as long as pg_dump reads, whatever else this process does.
    with contextlib.closing(connection.copy()) as own, own.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = str(cursor.fetchone()[0])
        census = counted(own)
        options = ("--format=custom", f"--snapshot={snapshot}", "--no-owner", "--no-privileges")
        arguments, env, database = command("pg_dump", *options)
        with piped([*arguments, database], env, stdout=subprocess.PIPE) as process:
            yield Dump(cast(BinaryIO, process.stdout), census)


@contextlib.contextmanager
def _mysql() -> Iterator[Dump]:
    options = (
        "--single-transaction",
        "--quick",
        "--hex-blob",
        "--routines",
        # They name the account that made them, which another server may not have; `migrate` makes them again.
        "--skip-triggers",
        "--no-autocommit",
        # One line for each row, with its columns named: that is what the census reads.
        "--skip-extended-insert",
        "--complete-insert",
        "--order-by-primary",
    )
    arguments, env, database = command("mysqldump", *options)
    lines = _Lines()
    with piped([*arguments, database], env, stdout=subprocess.PIPE) as process:
        yield Dump(cast(BinaryIO, process.stdout), lines.census, lines.look)


class _Lines:
    """Counts the rows in mysqldump's lines. Line breaks inside values are escaped there, so a row is a line."""

    _TABLE = re.compile(rb"CREATE TABLE `([^`]+)`")
    _ROW = re.compile(rb"INSERT INTO `([^`]+)` \(([^)]*)\) VALUES \(")
    _VALUE = re.compile(rb"'?([0-9a-fA-F-]+)'?")

    def __init__(self) -> None:
        self.census = Census()
        self._rest = b""
        self._counts: Counter[str] = Counter()

    def look(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n") if data else [self._rest, b""]
        for line in lines:
            self._read(line)
        self.census.rows = dict(sorted(self._counts.items()))

    def _read(self, line: bytes) -> None:
        if made := self._TABLE.match(line):
            self._counts[made[1].decode()] += 0
        elif row := self._ROW.match(line):
            table = row[1].decode()
            self._counts[table] += 1
            if table in (BLOBS, SEALS):
                self._keep(table, row[2], line[row.end() :])

    def _keep(self, table: str, named: bytes, values: bytes) -> None:
        # Ids, numbers and digests hold no comma, and no column before them holds a text.
        names = [name.strip(b" `").decode() for name in named.split(b",")]
        first = dict(zip(names, values.removesuffix(b");").split(b","), strict=False))
        if table == BLOBS:
            self.census.objects.add(UUID(self._plain(first["id"])))
        else:
            self.census.audit = (int(first["seq"]), self._plain(first["hash"]))

    def _plain(self, value: bytes) -> str:
        match = self._VALUE.fullmatch(value)
        if match is None:
            raise BackupError(
                "The dump has a line that this MediScan cannot read. Use MariaDB's or MySQL's own mysqldump."
            )
        return match[1].decode()


_ENGINES: Final[dict[str, Callable[[], contextlib.AbstractContextManager[Dump]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "mysql": _mysql,
}
