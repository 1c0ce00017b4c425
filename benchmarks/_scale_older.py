"""The rows of a seeded database in the schema of an older checkout, so that both answer about the same rows, and so that an
upgrade can be tried with data in it. Tables and columns that both have are copied; a column that only the older one has keeps
its default."""

# The names in the statements are those of the two schemas.
# ruff: noqa: S608

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

# What says which migrations ran, and what `migrate` itself fills.
OWN = ("django_migrations", "django_content_type", "auth_permission", "sqlite_sequence")
Columns = dict[str, list[str]]
# Columns whose numbers PostgreSQL gives, and goes on giving where it stopped.
_NUMBERED = "SELECT table_name, column_name FROM information_schema.columns WHERE is_identity = 'YES' AND table_schema = 'public'"
_ASKED = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"


class Site(Protocol):
    """A seeded site, as `benchmarks.lists` knows it."""

    engine: str
    folder: Path
    database: str


def copy(new: Site, old: Site, say: Callable[[str], None] = lambda _table: None, **where: Any) -> None:
    """All rows of one site into the empty other, on the same server, which is `where`."""
    if new.engine == "sqlite":
        paths = [str(site.folder / "data" / "db.sqlite3") for site in (new, old)]
        return sqlite(paths[0], paths[1], say)
    fill = postgres if new.engine == "postgres" else mysql
    return fill(new.database, old.database, say, **where)


def _shared(new: Columns, old: Columns) -> dict[str, list[str]]:
    both = sorted(set(new) & set(old) - set(OWN))
    return {table: [name for name in old[table] if name in new[table]] for table in both}


def _by_table(rows: Any) -> Columns:
    found: Columns = {}
    for table, name in rows:
        found.setdefault(table, []).append(name)
    return found


def _names(names: list[str], quote: str = '"') -> str:
    return ", ".join(f"{quote}{name}{quote}" for name in names)


def sqlite(new: str, old: str, say: Callable[[str], None]) -> None:
    """From file to file."""
    import sqlite3

    link = sqlite3.connect(old)
    link.execute("PRAGMA foreign_keys = OFF")
    link.execute("ATTACH ? AS newer", [new])
    # The trail is kept by triggers; `migrate` makes them again.
    for (name,) in link.execute("SELECT name FROM main.sqlite_master WHERE type = 'trigger'").fetchall():
        link.execute(f'DROP TRIGGER "{name}"')

    def columns(side: str) -> Columns:
        tables = link.execute(f"SELECT name FROM {side}.sqlite_master WHERE type = 'table'").fetchall()
        return {name: [row[1] for row in link.execute(f'PRAGMA {side}.table_info("{name}")')] for (name,) in tables}

    for table, names in _shared(columns("newer"), columns("main")).items():
        link.execute(f'DELETE FROM main."{table}"')
        named = _names(names)
        link.execute(f'INSERT INTO main."{table}" ({named}) SELECT {named} FROM newer."{table}"')
        say(table)
    link.commit()
    link.close()


def mysql(new: str, old: str, say: Callable[[str], None], **where: Any) -> None:
    """From database to database of one server."""
    import MySQLdb

    link = MySQLdb.connect(**where, db=old, charset="utf8mb4")
    cursor = link.cursor()

    def asked(statement: str, *values: str) -> Any:
        cursor.execute(statement, values)
        return cursor.fetchall()

    asked("SET SESSION foreign_key_checks = 0, unique_checks = 0")
    for (name,) in asked("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s", old):
        asked(f"DROP TRIGGER `{name}`")
    for table, names in _shared(_by_table(asked(_ASKED, new)), _by_table(asked(_ASKED, old))).items():
        asked(f"DELETE FROM `{table}`")
        named = _names(names, "`")
        asked(f"INSERT INTO `{table}` ({named}) SELECT {named} FROM `{new}`.`{table}`")
        link.commit()
        say(table)
    link.close()


def postgres(new: str, old: str, say: Callable[[str], None], **where: Any) -> None:
    """From database to database through a pipe of COPY: PostgreSQL does not reach another one."""
    import psycopg

    with psycopg.connect(dbname=new, **where) as source, psycopg.connect(dbname=old, **where) as target:
        target.execute("SET session_replication_role = replica")
        sides = [_by_table(side.execute(_ASKED, ["public"]).fetchall()) for side in (source, target)]
        for table, names in _shared(*sides).items():
            target.execute(f'DELETE FROM "{table}"')
            named = _names(names)
            with (
                source.cursor().copy(f'COPY (SELECT {named} FROM "{table}") TO STDOUT') as given,
                target.cursor().copy(f'COPY "{table}" ({named}) FROM STDIN') as taken,
            ):
                for part in given:
                    taken.write(part)
            say(table)
        for table, name in target.execute(_NUMBERED).fetchall():
            target.execute(
                f"""SELECT setval(pg_get_serial_sequence('"{table}"', '{name}'), COALESCE(MAX("{name}"), 1)) FROM "{table}" """
            )
