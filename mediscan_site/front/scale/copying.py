"""Many rows out of few: a block of rows is copied within the database, statement by statement, so that a million rows cost the
database's own time and no memory here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.core.management.color import no_style
from django.db import connection, models
from django.db.models import CharField, ExpressionWrapper, F, Value
from django.db.models.functions import MD5, Concat, Replace, Substr

from mediscan_site.core.database import insert_selected

# The alphabet of pseudonyms and codes (base32).
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
Expression = Any


def letters(number: int, length: int = 4) -> str:
    """The number as so many letters of the alphabet of codes."""
    out = ""
    for _ in range(length):
        number, rest = divmod(number, len(LETTERS))
        out = LETTERS[rest] + out
    return out


def another_digest(column: str) -> Callable[[int], Expression]:
    """Another 64 hexadecimal digits in each copy. Of two MD5: PostgreSQL has SHA-256 of a text only in an extension."""

    def half(said: str) -> Expression:
        return MD5(Concat(Value(said), F(column), output_field=CharField()))

    return lambda copy: Concat(half(f"{copy}:"), half(f"{copy};"), output_field=CharField())


def another_code(column: str, kept: int) -> Callable[[int], Expression]:
    """The code with other letters after the first `kept` characters; null stays null on every database."""
    return lambda copy: _when_there(
        column,
        Concat(
            Substr(column, 1, kept),
            Value(letters(copy)),
            Substr(column, kept + len(letters(0)) + 1),
            output_field=CharField(),
        ),
    )


def numbered(column: str, before: str) -> Callable[[int], Expression]:
    """The text with the copy's number before the part `before`."""
    return lambda copy: Replace(F(column), Value(before), Value(f"_{copy:05d}{before}"))


def later(column: str, step: timedelta) -> Callable[[int], Expression]:
    """A time so many steps after the first block's."""
    return lambda copy: ExpressionWrapper(F(column) + Value(copy * step), output_field=models.DateTimeField())


def _when_there(column: str, expression: Expression) -> Expression:
    # Django's Concat takes null for an empty text.
    return models.Case(
        models.When(**{f"{column}__isnull": True}, then=Value(None)), default=expression, output_field=CharField()
    )


@dataclass(frozen=True)
class Table:
    """How rows of one table are copied. `shifts`: columns that go up by a number of rows with each copy, a row's own key and
    those of rows copied with it; `changed`: columns made anew. All others stay as they are."""

    model: type[models.Model]
    first: int
    size: int
    shifts: Mapping[str, int]
    changed: Mapping[str, Callable[[int], Expression]] = field(default_factory=dict)

    def copy(self, copy: int) -> int:
        """Add copy number `copy` (from 1) of the block; returns how many rows that are."""
        if not self.size:
            return 0
        block = self.model._default_manager.filter(pk__gte=self.first, pk__lt=self.first + self.size)
        made = {f"made_{name}": value for name, value in self._values(copy).items()}
        names = [item.name for item in self.model._meta.concrete_fields if not item.generated]
        chosen = block.order_by().annotate(**made)
        return insert_selected(
            self.model,
            names,
            chosen.values_list(*(f"made_{name}" if f"made_{name}" in made else name for name in names)),
        )

    def _values(self, copy: int) -> dict[str, Expression]:
        fields = {item.name: item for item in self.model._meta.concrete_fields}
        shifted = {
            name: ExpressionWrapper(F(fields[name].attname) + Value(copy * rows), output_field=models.BigIntegerField())
            for name, rows in self.shifts.items()
        }
        return shifted | {name: make(copy) for name, make in self.changed.items()}


def know_keys(tables: list[type[models.Model]]) -> None:
    """Have the database make keys after those that were given (PostgreSQL's sequences do not see them)."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)
