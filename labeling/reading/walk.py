"""The first scans of a queue, in order, found by walking an index.

A queue is the scans of one desk but those of which its reader has spoken. The index `scan_by_desk` has them in order for each set
of people that has spoken (`said_by`), so a queue is as many walks as there are sets without the reader, merged. Each walk stops at
the first rows; none passes over what the reader may not take."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import OuterRef, QuerySet, Subquery

from images.models import Image
from labeling.models import SaidBy
from labeling.reading.said_by import NOBODY
from mediscan_site.core.merging import first_keys

OLDEST: Final = ("upload_date", "pk")
# So many sets are walked in one statement; of more, first those whose first scan comes first. SQLite takes 500 at most.
AT_ONCE: Final = 50
# So many sets are asked for their first scans in one statement.
COMPARED: Final = 5_000
# A page has fewer.
MOST_NAMED: Final = 1_000
Place = tuple[datetime, int]
PLACE: Final = OLDEST


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

    def first(self, n: int) -> list[int]:
        """The keys of the first `n` scans."""
        if len(self.sets) <= AT_ONCE:
            return first_keys(self._parts(self.sets), self.ordering, n)
        heads, found = self._heads() if n > 0 else [], list[Place]()
        for start in range(0, len(heads), AT_ONCE):
            some = heads[start : start + AT_ONCE]
            if len(found) >= n and self._in_order([found[-1], some[0][0]])[0] == found[-1]:
                break
            keys = first_keys(self._parts([key for _, key in some]), self.ordering, n)
            found = self._in_order([*found, *self._places(keys)])[:n]
        return [pk for _, pk in found]

    def _parts(self, sets: Sequence[str]) -> list[QuerySet[Image]]:
        return [self.base.filter(said_by=key) for key in sets]

    def _heads(self) -> list[tuple[Place, str]]:
        """The sets that have a scan, each with the place of its first one, in the order of these: two looks into the index for
        each set."""
        first = self.base.order_by(*self.ordering)
        mine = first.filter(said_by=OuterRef("key"))
        columns = [Subquery(mine.values(name)[:1]) for name in PLACE]
        found: list[tuple[Place, str]] = []
        for start in range(0, len(self.sets), COMPARED):
            rows = SaidBy.objects.filter(project=self.project, key__in=self.sets[start : start + COMPARED])
            found += [((at, pk), key) for key, at, pk in rows.values_list("key", *columns) if pk is not None]
        if NOBODY in self.sets:
            found += [(place, NOBODY) for place in first.filter(said_by=NOBODY).values_list(*PLACE)[:1]]
        return sorted(found, reverse=self._is_descending)

    def _places(self, keys: Collection[int]) -> list[Place]:
        return list(Image.objects.filter(pk__in=keys).values_list(*PLACE))

    def _in_order(self, places: Sequence[Place]) -> list[Place]:
        return sorted(places, reverse=self._is_descending)

    @property
    def _is_descending(self) -> bool:
        return self.ordering[0].startswith("-")
