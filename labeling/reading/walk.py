"""The first scans of a queue, in order, found by walking an index.

A queue is the scans of one desk but those of which its reader has spoken. The index `scan_by_desk` has them in order for each set
of people that has spoken (`said_by`), so a queue is as many walks as there are sets without the reader, merged. Each walk stops at
the first rows; none passes over what the reader may not take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db.models import OuterRef, Q, QuerySet, Subquery

from images.models import Image
from labeling.models import SaidBy
from labeling.reading.said_by import NOBODY
from mediscan_site.core.merging import first_keys

OLDEST: Final = ("upload_date", "pk")
# So many sets are walked in one statement; of more, first those whose first scan comes first.
AT_ONCE: Final = 50
# So many sets are compared by their first scans at once. In a project with more, a queue is in order within each part.
COMPARED: Final = 5_000
# A page has fewer.
MOST_NAMED: Final = 1_000


@dataclass(frozen=True)
class Walk:
    """Some scans of one desk of one project: `base`, of which the people of one of `sets` have spoken, and no others. A list page
    takes it as a queryset: filtered, ordered by the index's end or its reverse, and sliced. `rows`: with what a page shows of
    them."""

    project: int
    base: QuerySet[Image]
    sets: Sequence[str]
    rows: QuerySet[Image]
    ordering: tuple[str, ...] = OLDEST
    names: tuple[str, ...] = ()

    @property
    def model(self) -> type[Image]:
        return Image

    def filter(self, *conditions: Any, **values: Any) -> "Walk":
        return replace(self, base=self.base.filter(*conditions, **values))

    def order_by(self, *ordering: str) -> "Walk":
        """By the upload date and the key, both in one direction; nothing: as it comes."""
        return replace(self, ordering=ordering or OLDEST)

    def prefetch_related(self, *lookups: Any) -> "Walk":
        return replace(self, rows=self.rows.prefetch_related(*lookups))

    def values_list(self, *names: str) -> "Walk":
        """Tuples of these columns instead of scans."""
        return replace(self, names=names)

    def __getitem__(self, wanted: slice) -> list[Any]:
        keys = self.first(wanted.stop)[wanted.start or 0 :]
        rows = {row.pk: row for row in self.rows.filter(pk__in=keys)}
        found = [rows[key] for key in keys if key in rows]
        return [tuple(getattr(row, name) for name in self.names) for row in found] if self.names else found

    def __iter__(self) -> Iterator[Image]:
        """In no order: of a few scans, which `filter` has named."""
        named = list(self.base.filter(said_by__in=self.sets).values_list("pk", flat=True)[:MOST_NAMED])
        return iter(self.rows.filter(pk__in=named))

    def count(self) -> int:
        return self.base.filter(said_by__in=self.sets).count()

    def iterator(self, chunk_size: int) -> Iterator[Image]:
        """All of them, so many at a time in memory."""
        walk = self
        while rows := walk[:chunk_size]:
            yield from rows
            walk = self.filter(self._after(rows[-1]))

    def _after(self, row: Image) -> Q:
        name, way = self.ordering[0].lstrip("-"), "lt" if self.ordering[0].startswith("-") else "gt"
        value = getattr(row, name)
        # The first condition is implied by the second; without it MySQL and SQLite do not walk the index.
        return Q(**{f"{name}__{way}e": value}) & (Q(**{f"{name}__{way}": value}) | Q(**{f"pk__{way}": row.pk}))

    def first(self, n: int) -> list[int]:
        """The keys of the first `n` scans."""
        found: list[int] = []
        for sets in self._parts(n):
            parts = [self.base.filter(said_by=key) for key in sets]
            found += first_keys(parts, self.ordering, n - len(found))
            if len(found) >= n:
                break
        return found

    def _parts(self, n: int) -> Iterator[Sequence[str]]:
        """Sets to walk in one statement: those that have the first `n` scans."""
        if len(self.sets) <= AT_ONCE:
            yield self.sets
            return
        for start in range(0, len(self.sets), COMPARED):
            # The first n scans are of n sets at most: of those with the first heads.
            yield self._by_head(self.sets[start : start + COMPARED])[:n]

    def _by_head(self, sets: Sequence[str]) -> list[str]:
        """The sets that have a scan, in the order of their first ones: one look into the index for each set."""
        column = self.ordering[0].lstrip("-")
        first = self.base.filter(said_by=OuterRef("key")).order_by(*self.ordering).values(column)[:1]
        rows = SaidBy.objects.filter(project=self.project, key__in=sets).values_list("key", Subquery(first))
        heads = [(head, key) for key, head in rows if head is not None]
        nobody = self.base.filter(said_by=NOBODY).order_by(*self.ordering).values_list(column, flat=True)[:1]
        heads += [(head, NOBODY) for head in (nobody if NOBODY in sets else ())]
        return [key for _, key in sorted(heads, reverse=self.ordering[0].startswith("-"))]
