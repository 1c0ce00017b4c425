"""The grid of one reader: a page of scans that wait for a label, held by leases, and what was labelled last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from images.models import ApprovalStatus, Image, LabelStatus, Project
from images.selectors import scans
from labeling.forms import active_classes
from labeling.models import Lease
from labeling.reading import last_batch
from labeling.reading.forms import REASONS
from labeling.reading.grid_leases import claim_batch
from labeling.reading.queue import queue_of
from labeling.reading.selectors import held_leases
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.pages import MOST_COUNTED, bounded_count

PAGE: Final = 60


@dataclass(frozen=True)
class Grid:
    """`until`: to when the scans are the reader's. `left`: what waits, with what others hold; `read`: what has a label; neither
    is counted further than to one more than MOST_COUNTED."""

    scans: list[Image]
    order: str
    until: datetime
    left: int
    read: int
    undoable: int

    @property
    def counted(self) -> bool:
        """Whether both were counted to their end: else nobody can say what share is done."""
        return max(self.left, self.read) <= MOST_COUNTED

    @property
    def all(self) -> int:
        return self.left + self.read


def open_grid(request: HttpRequest, project: Project, order: str) -> Grid:
    user = caller(request)
    keys = claim_batch(actor=user, project=project, n=PAGE, order=order)
    found = scans(user).in_bulk(keys)
    rows = [found[key] for key in keys if key in found]
    held = held_leases(user=user, project=project, task=Lease.Task.LABEL)
    until = max(held.values_list("expires_at", flat=True), default=timezone.now())
    left = queue_of(user=user, project=project, task=Lease.Task.LABEL).number
    return Grid(rows, order, until, left, _read(project), last_batch.number(request, last_batch.GRID, project))


def _read(project: Project) -> int:
    """Scans that have a label, counted no further than to one more than MOST_COUNTED."""
    free = Image.objects.filter(project=project, erased_at__isnull=True, hold="", label_status=LabelStatus.LABELED)
    return bounded_count(free.exclude(approval_status=ApprovalStatus.REJECTED))


def words(project: Project) -> dict[str, Any]:
    return {"classes": active_classes(project), "reasons": REASONS}
