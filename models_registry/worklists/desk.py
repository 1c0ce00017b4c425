"""The referred scan on one doctor's desk, held by a lease; what they skipped stays hidden from them as long as one lasts."""

import time
from dataclasses import dataclass

from django.http import HttpRequest

from images.models import Image, Project
from labeling.reading.rows import LEASE
from mediscan_site.core.http.callers import caller
from mediscan_site.core.http.pages import bounded_count
from models_registry.models import Referral
from models_registry.worklists import selectors
from models_registry.worklists.services import claim_referrals, release_referrals


@dataclass(frozen=True)
class Desk:
    """`referral` and `scan` are None when nothing waits for this reader. `left`: no more than MOST_COUNTED + 1."""

    referral: Referral | None
    scan: Image | None
    left: int
    skipped: int


def open_desk(request: HttpRequest, project: Project) -> Desk:
    """The scan that the reader has open, or else the oldest that nobody has."""
    skipped = _skipped(request, project)
    taken = claim_referrals(actor=caller(request), project=project, without=skipped)
    referral = taken[0] if taken else None
    scan = selectors.scan_of(request.user, referral) if referral else None
    waiting = selectors.waiting(project)
    left = bounded_count(waiting)
    return Desk(referral, scan, left, waiting.filter(pk__in=skipped).count() if skipped else 0)


def skip(request: HttpRequest, referral: Referral) -> None:
    """Leave this scan to others: it is free at once, at its old place."""
    project = referral.project
    release_referrals(actor=caller(request), project=project, referrals=[referral])
    fresh = {str(pk): time.time() for pk in _skipped(request, project)}
    request.session[_key(project)] = {**fresh, str(referral.pk): time.time()}


def show_skipped(request: HttpRequest, project: Project) -> None:
    request.session.pop(_key(project), None)


def _key(project: Project) -> str:
    return f"skipped-referrals:{project.pk}"


def _skipped(request: HttpRequest, project: Project) -> set[int]:
    since = time.time() - LEASE.total_seconds()
    return {int(pk) for pk, at in request.session.get(_key(project), {}).items() if at > since}
