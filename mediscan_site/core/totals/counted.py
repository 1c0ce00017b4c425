"""What is counted, and the SQL of it: one table of definitions from which triggers and the real count are made."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.db import models

from mediscan_site.core import triggers
from mediscan_site.core.triggers import Trigger

NUMBER: Final = "number"
# An expression over `{row}`: NEW, OLD or the table itself. Where engines differ, one for each of their names.
Sql = str | Mapping[str, str]
VENDORS: Final = ("sqlite", "mysql", "postgresql")
_UNLIKE: Final = {
    "sqlite": "OLD.{0} IS NOT NEW.{0}",
    "mysql": "NOT (OLD.{0} <=> NEW.{0})",
    "postgresql": "OLD.{0} IS DISTINCT FROM NEW.{0}",
}


@dataclass(frozen=True)
class Counted:
    """The rows of `source` that meet `condition`, by `keys`: column of the totals to its value. `watched`: the columns of
    `source` that any of it reads. Several may share tables of totals, then `own` tells theirs apart. `since`: a key below
    whose value, asked anew each time, nothing is kept."""

    name: str
    source: type[models.Model]
    totals: type[models.Model]
    changes: type[models.Model]
    keys: Mapping[str, Sql]
    watched: tuple[str, ...]
    condition: Sql
    own: Mapping[str, Any] = field(default_factory=dict)
    since: tuple[str, Callable[[], int]] | None = None

    @cached_property
    def triggers(self) -> triggers.Triggers:
        mark = f"mediscan totals {hashlib.sha256(repr(self._texts).encode()).hexdigest()[:16]}"
        return triggers.Triggers(
            mark=mark,
            purpose="keep count of its rows",
            by_vendor={
                "sqlite": lambda: self._sqlite(mark),
                "mysql": lambda: self._mysql(mark),
                "postgresql": self._postgresql,
            },
            functions={self._function: self._body(mark)},
        )

    @property
    def _texts(self) -> list[list[Trigger] | str]:
        """All of it without the mark, which stands for it."""
        return [self._sqlite(""), self._mysql(""), self._postgresql(), self._body("")]

    @property
    def _table(self) -> str:
        return self.source._meta.db_table

    @property
    def _function(self) -> str:
        return f"mediscan_{self.name}"

    def value(self, name: str, vendor: str, row: str) -> str:
        return _of(self.keys[name], vendor, row)

    def holds(self, vendor: str, row: str) -> str:
        return _of(self.condition, vendor, row)

    def comparison(self, vendor: str) -> str:
        """The statement that counts, and takes away what is kept: each key with what is missing there."""
        keys, late = ", ".join(self.keys), self._late(vendor)
        values = ", ".join(f"{self.value(name, vendor, self._table)} AS {name}" for name in self.keys)
        places = ", ".join(str(place + 1) for place in range(len(self.keys)))
        own = [f"{name} IN ({', '.join(map(repr, values))})" for name, values in self.own.items()]
        kept = " AND ".join([*own, *late[1]]) or "1 = 1"
        real = " AND ".join([f"({self.holds(vendor, self._table)})", *late[0]])
        # Names and expressions of our own definitions.
        parts = [f"SELECT {values}, COUNT(*) AS n FROM {self._table} WHERE {real} GROUP BY {places}"]  # noqa: S608
        for model in (self.totals, self.changes):
            table = model._meta.db_table
            parts.append(f"SELECT {keys}, -SUM({NUMBER}) AS n FROM {table} WHERE {kept} GROUP BY {keys}")  # noqa: S608
        both = " UNION ALL ".join(parts)
        return f"SELECT {keys}, SUM(n) FROM ({both}) compared GROUP BY {keys} HAVING SUM(n) <> 0"  # noqa: S608

    def _late(self, vendor: str) -> tuple[list[str], list[str]]:
        """What keeps to what is not forgotten: of rows of the source, and of numbers."""
        if self.since is None:
            return [], []
        name, first = self.since[0], self.since[1]()
        return [f"{self.value(name, vendor, self._table)} >= {first}"], [f"{name} >= {first}"]

    def _changed(self, vendor: str) -> str:
        return " OR ".join(_UNLIKE[vendor].format(column) for column in self.watched)

    def _appended(self, vendor: str, row: str, number: int) -> str:
        columns = ", ".join((*self.keys, NUMBER))
        values = ", ".join(self.value(name, vendor, row) for name in self.keys)
        # Names and expressions of our own definitions.
        return f"INSERT INTO {self.changes._meta.db_table} ({columns}) SELECT {values}, {number}"

    def _sqlite(self, mark: str) -> list[Trigger]:
        table, vendor = self._table, "sqlite"
        added = f"{self._appended(vendor, 'NEW', 1)} WHERE {self.holds(vendor, 'NEW')};"
        taken = f"{self._appended(vendor, 'OLD', -1)} WHERE {self.holds(vendor, 'OLD')};"
        updated = f"UPDATE OF {', '.join(self.watched)} ON {table} WHEN {self._changed(vendor)}"
        parts = {
            "insert": (f"INSERT ON {table}", added),
            "delete": (f"DELETE ON {table}", taken),
            "update": (updated, f"{taken} {added}"),
        }
        return [self._trigger(kind, f"AFTER {on} BEGIN /* {mark} */ {body} END") for kind, (on, body) in parts.items()]

    def _mysql(self, mark: str) -> list[Trigger]:
        vendor = "mysql"
        added = f"IF {self.holds(vendor, 'NEW')} THEN {self._appended(vendor, 'NEW', 1)}; END IF;"
        taken = f"IF {self.holds(vendor, 'OLD')} THEN {self._appended(vendor, 'OLD', -1)}; END IF;"
        both = f"IF {self._changed(vendor)} THEN {taken} {added} END IF;"
        parts = {"insert": added, "delete": taken, "update": both}
        return [
            self._trigger(kind, f"AFTER {kind.upper()} ON {self._table} FOR EACH ROW BEGIN /* {mark} */ {body} END")
            for kind, body in parts.items()
        ]

    def _postgresql(self) -> list[Trigger]:
        call = f"FOR EACH ROW {{}} EXECUTE FUNCTION {self._function}()"
        updated = f"UPDATE OF {', '.join(self.watched)} ON {self._table}"
        changed = call.format(f"WHEN ({self._changed('postgresql')})")
        return [
            self._trigger("insert", f"AFTER INSERT ON {self._table} {call.format('')}"),
            self._trigger("delete", f"AFTER DELETE ON {self._table} {call.format('')}"),
            self._trigger("update", f"AFTER {updated} {changed}"),
        ]

    def _body(self, mark: str) -> str:
        """Of the function that PostgreSQL's triggers call."""
        vendor, parts = "postgresql", []
        for row, without, number in (("OLD", "INSERT", -1), ("NEW", "DELETE", 1)):
            append = f"IF {self.holds(vendor, row)} THEN {self._appended(vendor, row, number)}; END IF;"
            parts.append(f"IF TG_OP <> '{without}' THEN {append} END IF;")
        return f"BEGIN /* {mark} */ {' '.join(parts)} RETURN NULL; END"

    def _trigger(self, kind: str, text: str) -> Trigger:
        return Trigger(f"{self.name}_{kind}", self._table, text)


def _of(sql: Sql, vendor: str, row: str) -> str:
    return (sql if isinstance(sql, str) else sql[vendor]).format(row=row)


_known: dict[str, Counted] = {}


def register(counted: Counted) -> Counted:
    """Have the site keep these numbers."""
    _known[counted.name] = counted
    triggers.register(counted.triggers)
    return counted


def known() -> list[Counted]:
    return list(_known.values())
