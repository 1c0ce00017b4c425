"""The scans on one reader's desk: held by leases, with two more ready so that the next appears at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q
from django.http import HttpRequest

from images.models import Image, Project
from images.policies import of_kept_scan
from images.selectors import scans
from labeling.models import Label, Lease, Read, Reference, Review
from labeling.policies import visible_labels
from labeling.reading import again
from labeling.reading.queue import MAX_N, ORDERS, Queue, claim_scans, lease_again, queue_of, release_scans
from labeling.reading.rows import LEASE
from labeling.reading.selectors import held_leases
from labeling.reading.undo import undo_last
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.http.pages import MOST_COUNTED
from mediscan_site.core.merging import first_key, newest

READY = MAX_N


@dataclass(frozen=True)
class Desk:
    """`ready`: the scan to read, and those that are only there to be loaded early."""

    ready: tuple[Image, ...]
    left: int
    skipped: int

    @property
    def scan(self) -> Image | None:
        """None when nothing waits for this reader."""
        return self.ready[0] if self.ready else None

    @property
    def more(self) -> bool:
        """Whether more wait than were counted."""
        return self.left > MOST_COUNTED


def order_of(request: HttpRequest, project: Project) -> str:
    """The order in which this reader labels: as asked for now, else as before. Another one empties the desk, which is filled
    anew: the scans on it were chosen in the old order."""
    known = request.session.get(_order_key(project), ORDERS[0])
    asked = request.POST.get("order") or request.GET.get("order")
    if asked not in ORDERS or asked == known:
        return str(known)
    request.session[_order_key(project)] = asked
    release_scans(actor=caller(request), project=project, task=Lease.Task.LABEL)
    return str(asked)


def _order_key(project: Project) -> str:
    return f"order:{project.pk}"


def open_desk(request: HttpRequest, project: Project, task: str, order: str, first: int | None = None) -> Desk:
    """The reader's scans of this task, filled up from the queue. A skipped one stays hidden from them as long as a lease lasts.
    `first`: the scan to begin with, if the reader holds it."""
    skipped = _skipped(request, project)
    queue = queue_of(user=caller(request), project=project, task=task)
    held = _held(request, queue, skipped)
    if len(held) < READY:
        claim_scans(actor=caller(request), project=project, task=task, n=READY - len(held), order=order)
        queue = queue_of(user=caller(request), project=project, task=task)
        held = _held(request, queue, skipped)
    held.sort(key=lambda scan: scan.pk != first)
    return Desk(tuple(held[:READY]), queue.number, len(skipped))


def _held(request: HttpRequest, queue: Queue, skipped: set[int]) -> list[Image]:
    """The scans of the reader's leases, longest held first, that still wait for them."""
    mine = held_leases(user=caller(request), project=queue.project, task=queue.task).exclude(image__in=skipped)
    leased = list(mine.order_by("pk").values_list("image_id", flat=True))
    still = set(queue.waiting.filter(pk__in=leased).values_list("pk", flat=True))
    keys = [key for key in leased if key in still][: 2 * READY]
    rows = scans(request.user).in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def take_back(request: HttpRequest, project: Project, task: str) -> Image:
    """Undo, and lay the scan on the reader's desk again, no longer skipped."""
    seen = find_key(request.POST.get("undo", "")) or None
    image = undo_last(actor=caller(request), project=project, task=task, seen=seen)
    lease_again(actor=caller(request), image=image, task=task)
    kept = {str(pk): at for pk, at in request.session.get(_key(project), {}).items() if pk != str(image.pk)}
    request.session[_key(project)] = kept
    return image


def _key(project: Project) -> str:
    return f"skipped:{project.pk}"


def _skipped(request: HttpRequest, project: Project) -> set[int]:
    since = time.time() - LEASE.total_seconds()
    return {int(pk) for pk, at in request.session.get(_key(project), {}).items() if at > since}


def skip(request: HttpRequest, project: Project, scan: Image) -> None:
    """Leave this scan for later; its lease keeps it until it runs out, then it is in everybody's queue again."""
    fresh = {str(pk): time.time() for pk in _skipped(request, project)}
    request.session[_key(project)] = {**fresh, str(scan.pk): time.time()}


def show_skipped(request: HttpRequest, project: Project) -> None:
    request.session.pop(_key(project), None)


def previous_label(request: HttpRequest, project: Project, before: int | None = None) -> Label | None:
    """The reader's newest label in the project that counts, or the newest one before a given label: the way back through their
    work. Of a scan that was labelled again only the last one is met."""
    walk = newest(Label.objects.all(), reader=caller(request).pk, project=project.pk)
    # One read of several counts while the scan is read; what only measures the reader looks the same.
    rows = (
        Reference.objects.filter(label=OuterRef("pk")),
        Read.objects.filter(label=OuterRef("pk"), active=True),
        again.recent(caller(request)).filter(label=OuterRef("pk")),
    )
    counts = Exists(rows[0]) | Exists(rows[1]) | Exists(rows[2])
    if before is not None:
        walk = walk.filter(pk__lt=before)
    return Label.objects.filter(pk=first_key(walk, Label.objects.filter(of_kept_scan(), counts))).first()


def said_already(request: HttpRequest, image: Image, reading: dict[str, Any], known: int | None) -> bool:
    """Whether the reader has said exactly this since the page was made, whose newest label of the scan is `known`: the same
    decision, sent again because its answer was lost."""
    if known is None or reading["expected_version"] == image.version:
        return False
    mine = Label.objects.filter(image=image, reader=caller(request), pk__gt=known, taken_back=False)
    said = {"label_class": reading.get("label_class"), "ungradable_reason": reading.get("reason", "")}
    return mine.filter(**said, comment=_as_kept(reading["comment"])).exists()


def _as_kept(comment: str) -> str:
    """As a comment is stored. One that is refused is nobody's: it comes out as it is."""
    try:
        return text.paragraphs(comment, attr="comment")
    except Invalid:
        return comment


def reviewed_already(request: HttpRequest, image: Image, given: dict[str, Any]) -> bool:
    """The same of a review, whose row names the version that the reviewer saw. One that was taken back does not count."""
    mine = Review.objects.filter(image=image, reviewer=caller(request), scan_version=given["expected_version"])
    said = {"status": given["status"], "comment": _as_kept(given["comment"])}
    modified = Q(new_label__label_class=given["label_class"]) if given["label_class"] else Q(new_label__isnull=True)
    return mine.filter(modified, decision__undone__isnull=True, **said).exists()


def with_history(request: HttpRequest, ready: Sequence[Image]) -> None:
    """Puts the labels so far that the reader sees beside each scan, as `history`: one query for all."""
    seen = visible_labels(request.user).filter(image__in=ready)
    rows = seen.select_related("label_class", "reader", "decision__undone", "read").order_by("pk")
    told: dict[int, list[Label]] = {scan.pk: [] for scan in ready}
    for label in rows:
        told[label.image_id].append(label)
    for scan in ready:
        vars(scan)["history"] = told[scan.pk]


def with_newest(ready: Sequence[Image]) -> None:
    """Puts the key of each scan's newest label beside it, as `newest_label`."""
    newest = dict(Label.objects.filter(image__in=ready).values_list("image").annotate(newest=Max("pk")))
    for scan in ready:
        vars(scan)["newest_label"] = newest.get(scan.pk, 0)
