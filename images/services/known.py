"""The hashes of the scans that were compared, kept in the memory of the process that compares: a new scan costs what is new.

40 bytes a scan. A project is read once, a page at a time; from then on only what was compared since, by the database's clock.
Of scans that were erased meanwhile some stay until the next whole read: whoever uses a row looks whether its scan is there."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet
from django.db.models.functions import Now

from images import similarity
from images.models import Image

# Longer than a statement may take until others see what it wrote (`mediscan_site.patience`).
OVERLAP: Final = timedelta(minutes=10)
WHOLE_AGAIN_S: Final = 3600.0
PAGE: Final = 20_000
COLUMNS: Final = ("pk", "phash", "compared_at")
# Scans whose hashes this process keeps, of all projects: 160 MB. Of a larger project it keeps none between two calls.
MOST_KEPT: Final = 4_000_000

Keys = npt.NDArray[np.int64]


@dataclass
class Known:
    """`keys` and `hashes`: row by row one scan. `lately`: those that the next look finds again."""

    keys: Keys = field(default_factory=lambda: np.empty(0, np.int64))
    hashes: similarity.Hashes = field(default_factory=lambda: np.empty((0, 4), np.uint64))
    lately: dict[int, datetime] = field(default_factory=dict)
    seen_until: datetime | None = None
    read_whole_at: float = field(default_factory=time.monotonic)

    def catch_up(self, project_id: int) -> None:
        """Read what was compared since the last time."""
        now, since = _now(), self.seen_until
        done = with_hash(project_id).filter(compared_at__isnull=False)
        found = pages(done.values_list(*COLUMNS)) if since is None else [list(lately(project_id, since))]
        parts = [packed(new) for page in found if (new := self._not_known(page, now))]
        self.keys = np.concatenate([self.keys, *(keys for keys, _ in parts)])
        self.hashes = np.concatenate([self.hashes, *(hashes for _, hashes in parts)])
        self.lately = {pk: at for pk, at in self.lately.items() if at >= now - 2 * OVERLAP}
        self.seen_until = now

    def _not_known(self, page: list[Any], now: datetime) -> list[Any]:
        new = [row for row in page if row[0] not in self.lately]
        self.lately.update((pk, at) for pk, _, at in new if at >= now - 2 * OVERLAP)
        return new


_kept: OrderedDict[int, Known] = OrderedDict()


def known(project_id: int) -> Known:
    """All scans of the project that were compared before now."""
    found = _kept.pop(project_id, None)
    if found is None or time.monotonic() - found.read_whole_at > WHOLE_AGAIN_S:
        found = Known()
    found.catch_up(project_id)
    _kept[project_id] = found
    while _kept and sum(len(one.keys) for one in _kept.values()) > MOST_KEPT:
        _kept.popitem(last=False)
    return found


def forget() -> None:
    """What is kept is of a database that is another one now."""
    _kept.clear()


def with_hash(project_id: int) -> "QuerySet[Image]":
    return Image.objects.filter(project=project_id, erased_at__isnull=True).exclude(phash="")


def lately(project_id: int, since: datetime) -> "QuerySet[Any, Any]":
    """What was compared since then, or shortly before."""
    rows = with_hash(project_id).filter(compared_at__gte=since - OVERLAP)
    return rows.order_by("compared_at").values_list(*COLUMNS)


def pages(rows: "QuerySet[Any, Any]") -> Iterator[list[Any]]:
    """Rows whose first value is the key, a page at a time, in order of their keys."""
    after = 0
    while page := list(rows.filter(pk__gt=after).order_by("pk")[:PAGE]):
        yield page
        after = page[-1][0]


def packed(rows: list[Any]) -> tuple[Keys, similarity.Hashes]:
    """Keys and hashes of rows that begin with both."""
    return np.array([row[0] for row in rows], np.int64), similarity.hashes([row[1] for row in rows])


def _now() -> datetime:
    moment: datetime | None = Image.objects.order_by("pk").values_list(Now(), flat=True).first()
    if moment is None:
        raise LookupError("There is no scan to compare.")
    return moment
