"""Triggers that the site needs in its database: how each engine is asked for them, and told to make and drop them.

They are made again after every `migrate` where one is missing: SQLite drops a table's triggers when a migration rebuilds the
table, and a dump of MySQL leaves them out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

# MySQL's and MariaDB's own codes: no TRIGGER privilege; a binary log, and no trust in those who make triggers.
_NO_PRIVILEGE: Final = (1142, 1227)
_BINARY_LOG: Final = 1419
# Name and text of the triggers of some tables that are in force; the text is what is compared.
_PRESENT: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({})",
    "mysql": "SELECT trigger_name, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_object_table IN ({})",
    "postgresql": "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
    "JOIN pg_class c ON c.oid = t.tgrelid WHERE pg_table_is_visible(c.oid) AND c.relname IN ({}) AND t.tgenabled IN ('O', 'A')",
}


@dataclass(frozen=True)
class Trigger:
    """`text` follows its name in CREATE TRIGGER."""

    name: str
    table: str
    text: str


@dataclass(frozen=True)
class Triggers:
    """What one part of the site needs. `mark` stands in the body of each: a trigger without it does something else.
    `functions`: on PostgreSQL the bodies that they call, by name. `purpose` completes "triggers, which ..."."""

    mark: str
    purpose: str
    by_vendor: Mapping[str, Callable[[], Sequence[Trigger]]]
    functions: Mapping[str, str] = field(default_factory=dict)

    def missing(self, database: BaseDatabaseWrapper = connection) -> list[str]:
        """Names of those that are not there, or do something else."""
        return [one.name for one in self._missing(database)]

    def _missing(self, database: BaseDatabaseWrapper) -> list[Trigger]:
        wanted = self.by_vendor[database.vendor]()
        tables = sorted({one.table for one in wanted})
        with database.cursor() as cursor:
            cursor.execute(_PRESENT[database.vendor].format(", ".join(["%s"] * len(tables))), tables)
            present = {str(name): str(text) for name, text in cursor.fetchall()}
        return [one for one in wanted if self.mark not in present.get(one.name, "")]

    def make(self, database: BaseDatabaseWrapper = connection) -> list[str]:
        """Make those that are missing; returns their names. CommandError, with the remedy, where the database does not let us."""
        absent = self._missing(database)
        with database.cursor() as cursor:
            for name, body in self._functions(database) if absent else ():
                cursor.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
            for one in absent:
                self._tell(database, cursor, _dropping(database.vendor, one))
                self._tell(database, cursor, f"CREATE TRIGGER {one.name} {one.text}")
        return [one.name for one in absent]

    def drop(self, database: BaseDatabaseWrapper = connection) -> None:
        """Take them away, whether they are there or not. Raises as `make` does."""
        with database.cursor() as cursor:
            for one in self.by_vendor[database.vendor]():
                self._tell(database, cursor, _dropping(database.vendor, one))
            for name, _body in self._functions(database):
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}()")

    def _tell(self, database: BaseDatabaseWrapper, cursor: Any, statement: str) -> None:
        try:
            cursor.execute(statement)
        except OperationalError as error:
            raise self.explained(error, database) from error

    def _functions(self, database: BaseDatabaseWrapper) -> list[tuple[str, str]]:
        return list(self.functions.items()) if database.vendor == "postgresql" else []

    def explained(self, error: OperationalError, database: BaseDatabaseWrapper) -> Exception:
        """What the administrator of the database has to do; the error itself where it is another one."""
        code, name = error.args[0], database.settings_dict["NAME"]
        if code == _BINARY_LOG:
            return CommandError(
                "The database writes a binary log and lets nobody but its administrator make triggers, which "
                f"{self.purpose}. Set log_bin_trust_function_creators = 1 in the server's configuration (or SET GLOBAL it), "
                "then run migrate again."
            )
        if code in _NO_PRIVILEGE:
            return CommandError(
                f"The database account may not make triggers, which {self.purpose}. Run "
                f"GRANT TRIGGER ON `{name}`.* TO the account as the server's administrator, then run migrate again."
            )
        return error


def _dropping(vendor: str, trigger: Trigger) -> str:
    table = f" ON {trigger.table}" if vendor == "postgresql" else ""
    return f"DROP TRIGGER IF EXISTS {trigger.name}{table}"


_known: list[Triggers] = []


def register(triggers: Triggers) -> Triggers:
    """Have a restore know of these too."""
    _known.append(triggers)
    return triggers


def drop_functions() -> None:
    """On PostgreSQL: they outlive the tables of their triggers."""
    with connection.cursor() as cursor:
        for name in [name for one in _known for name in one.functions]:
            cursor.execute(f"DROP FUNCTION IF EXISTS {name}()")
