"""Is what was answered on the disk? SQLite is told to sync each commit (`connections`); a server has settings of its own, which
are looked at here. A server that answers before it has written loses the last uploads and approvals when the power goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection

from mediscan_site.core import notices, tidy

NOTICE: Final = "database:durability"


@dataclass(frozen=True)
class Wanted:
    """A setting of the server. `bad`: the values that risk something; `only_with`: it matters while this one is on."""

    name: str
    bad: frozenset[str]
    risk: str
    remedy: str
    only_with: str = ""


_MYSQL: Final = (
    Wanted(
        "innodb_flush_log_at_trx_commit",
        frozenset({"0", "2"}),
        "it answers before a commit is on the disk",
        "innodb_flush_log_at_trx_commit=1",
    ),
    Wanted(
        "sync_binlog",
        frozenset({"0"}),
        "after a power cut its binary log lacks commits that were answered, and a replica or a recovery from it has lost them",
        "sync_binlog=1",
        only_with="log_bin",
    ),
    Wanted(
        "innodb_doublewrite",
        frozenset({"off", "0", "detect_only"}),
        "a page that is half written at a power cut cannot be repaired",
        "innodb_doublewrite=ON",
    ),
)
_POSTGRES: Final = (
    Wanted("fsync", frozenset({"off"}), "nothing is sure to be on the disk, ever", "fsync=on"),
    Wanted(
        "synchronous_commit",
        frozenset({"off"}),
        "it answers before a commit is on the disk",
        "synchronous_commit=on (also for this role and database)",
    ),
    Wanted(
        "full_page_writes",
        frozenset({"off"}),
        "a page that is half written at a power cut cannot be repaired",
        "full_page_writes=on",
    ),
)


def _mysql(names: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW VARIABLES WHERE Variable_name IN ({', '.join(['%s'] * len(names))})", list(names))
        return dict(cursor.fetchall())


def _postgres(names: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(names)])
        return dict(cursor.fetchall())


_SERVERS: Final[dict[str, tuple[tuple[Wanted, ...], Callable[[Sequence[str]], dict[str, str]]]]] = {
    "mysql": (_MYSQL, _mysql),
    "postgresql": (_POSTGRES, _postgres),
}


def weaknesses() -> list[str]:
    """A sentence with its remedy for each setting of the database server that could lose what was answered."""
    if connection.vendor not in _SERVERS:
        return []
    wanted, asked = _SERVERS[connection.vendor]
    names = {name for row in wanted for name in (row.name, row.only_with) if name}
    return judged(wanted, asked(sorted(names)))


def judged(wanted: Sequence[Wanted], found: dict[str, str]) -> list[str]:
    """The same for values that are known. A setting that a server does not have is none to worry about."""
    values = {name: str(value).strip().lower() for name, value in found.items()}
    return [
        f"The database server has {row.name}={found[row.name]}: {row.risk}. Set {row.remedy} in its configuration and restart it."
        for row in wanted
        if values.get(row.name) in row.bad and (not row.only_with or values.get(row.only_with) in ("on", "1"))
    ]


@tidy.register
def note() -> None:
    """Administrators are told until the server is set right."""
    found = weaknesses()
    if found:
        notices.put(NOTICE, " ".join(found))
    else:
        notices.take_away(NOTICE)


@register("mediscan", Tags.database)
def check_durability(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Asked where a database is: `manage.py check --database default`, and each start of `serve`."""
    if not databases or connection.alias not in databases:
        return []
    return [Warning(sentence, id="mediscan.W010") for sentence in weaknesses()]
