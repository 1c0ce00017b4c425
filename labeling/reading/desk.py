"""The scans on one reader's desk: held by leases, with a second one ready so that the next appears at once."""

import time
from dataclasses import dataclass

from django.http import HttpRequest

from images.models import Image, Project
from images.selectors import scans
from labeling.models import Label, Lease
from labeling.reading.queue import LEASE, ORDERS, claim_scans, release_scans, waiting
from labeling.reading.selectors import held_leases
from mediscan_site.core.http.callers import caller

READY = 2


@dataclass(frozen=True)
class Desk:
    """`scan` is None when nothing waits for this reader; `after` is only there to be loaded early."""

    scan: Image | None
    after: Image | None
    left: int
    skipped: int


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


def open_desk(request: HttpRequest, project: Project, task: str, order: str) -> Desk:
    """The reader's scans of this task, filled up from the queue. A skipped one stays hidden from them as long as a lease lasts."""
    skipped = _skipped(request, project)
    held = _held(request, project, task, skipped)
    if len(held) < READY:
        claim_scans(actor=caller(request), project=project, task=task, n=READY - len(held), order=order)
        held = _held(request, project, task, skipped)
    left = waiting(user=caller(request), project=project, task=task).count()
    return Desk(held[0] if held else None, held[1] if len(held) > 1 else None, left, len(skipped))


def _held(request: HttpRequest, project: Project, task: str, skipped: set[int]) -> list[Image]:
    mine = held_leases(user=caller(request), project=project, task=task)
    open_scans = waiting(user=caller(request), project=project, task=task)
    chosen = mine.filter(image__in=open_scans.values("pk")).exclude(image__in=skipped).order_by("pk")[:READY]
    keys = [lease.image_id for lease in chosen]
    rows = scans(request.user).in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


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
    """The reader's newest label in the project, or the newest one before a given label: the way back through their work."""
    mine = Label.objects.filter(reader=caller(request), image__project=project, image__erased_at__isnull=True)
    if before is not None:
        mine = mine.filter(pk__lt=before)
    return mine.order_by("-pk").first()
