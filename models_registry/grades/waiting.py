"""The request side of an answer that a worker gives: what to wait for, and what to say then."""

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import BinaryIO, Final

from images.policies import VIEW, require
from mediscan_site.core import work
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.http.later import Wait
from mediscan_site.core.models import ACTIVE, Blob, User, WorkStatus
from mediscan_site.core.storage.opening import open_audited
from models_registry.grades import heatmaps
from models_registry.models import Grade
from models_registry.versions import serving

DEFAULT_S: Final = 20.0
LONGEST_S: Final = 60.0
# A worker draws within a second, unless it has much to answer or is away: then the request draws.
DRAWING = timedelta(seconds=5)
# The task that draws. By name: the task's module is above this one.
DRAW: Final = "models_registry.draw"


def seconds(raw: str | None) -> float:
    """How long a caller is willing to wait. Raises Invalid for anything but a number from 0 to 60."""
    try:
        value = DEFAULT_S if raw is None else float(raw)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LONGEST_S:
        raise Invalid(f"wait must be a number of seconds from 0 to {LONGEST_S:.0f}.", attr="wait")
    return value


def for_answer(grade: Grade, wait_s: float, *, asked_now: bool = False) -> Wait:
    """Until the grade has ended."""
    return Wait(ended, grade.pk, wait_s, asked_now)


def for_drawing(grade: Grade) -> Wait:
    """Ask a worker for the heat map that is missing, and wait until it has drawn it, or would have."""
    if not drawn([grade.pk]):
        work.send_named(DRAW, grade.pk)
    return Wait(drawn, grade.pk, DRAWING.total_seconds())


def ended(keys: Iterable[int]) -> set[int]:
    """Those of the grades that no worker works on any longer; one that is gone too."""
    asked = set(keys)
    return asked - set(Grade.objects.filter(pk__in=asked, status__in=ACTIVE).values_list("pk", flat=True))


def drawn(keys: Iterable[int]) -> set[int]:
    """Those of the grades that have their heat map, or will not get one."""
    asked = set(keys)
    missing = Grade.objects.filter(pk__in=asked, heatmap=None, status=WorkStatus.SUCCEEDED)
    return asked - set(missing.values_list("pk", flat=True))


def read(pk: int) -> Grade:
    """The grade as it is now."""
    related = ("project", "image", "image__blob", "model", "model__bundle", "model__graph__blob", "heatmap")
    return Grade.objects.select_related(*related).get(pk=pk)


def heatmap(*, actor: User, grade: Grade) -> tuple[BinaryIO, Blob]:
    """The heat map of an answered grade, drawn here when the worker has not. Audited as opening the scan."""
    require(actor, VIEW, grade.project)
    if grade.status in ACTIVE:
        raise Conflict("The grade is not answered yet. Ask again in a few seconds.", code="grade_not_ready")
    if grade.status != WorkStatus.SUCCEEDED:
        raise Conflict(
            "This grade has no answer, so there is nothing to show. Grade the scan again.", code="grade_failed"
        )
    try:
        blob = heatmaps.draw(grade)
    except serving.BundleDamaged as error:
        raise Conflict(str(error), code="bundle_damaged") from error
    details = {"kind": "heatmap", "grade": grade.pk}
    return open_audited(
        blob, action="scan.open", actor=actor, obj=grade.image, project=grade.project_id, details=details
    )
