"""The request side of an answer that a worker gives: poll the row until it has ended or the time is up."""

import math
import time
from datetime import timedelta
from typing import BinaryIO, Final

from django.utils import timezone

from images.policies import VIEW, require
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import ACTIVE, Blob, User, WorkStatus
from mediscan_site.core.storage.opening import open_audited
from models_registry.grades import heatmaps
from models_registry.models import Grade
from models_registry.versions import serving

DEFAULT_S: Final = 20.0
LONGEST_S: Final = 60.0
POLL_S: Final = 0.05
# The worker draws right after it has answered; only then is it worth waiting for.
DRAWING = timedelta(seconds=2)


def seconds(raw: str | None) -> float:
    """How long a caller is willing to wait. Raises Invalid for anything but a number from 0 to 60."""
    try:
        value = DEFAULT_S if raw is None else float(raw)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LONGEST_S:
        raise Invalid(f"wait must be a number of seconds from 0 to {LONGEST_S:.0f}.", attr="wait")
    return value


def for_grade(pk: int, wait_s: float) -> Grade:
    """The grade once it has ended, or as it is after `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        grade = _read(pk)
        if grade.status not in ACTIVE or time.monotonic() >= deadline:
            return grade
        time.sleep(POLL_S)


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
        blob = heatmaps.draw(_drawn_by_worker(grade))
    except serving.BundleDamaged as error:
        raise Conflict(str(error), code="bundle_damaged") from error
    details = {"kind": "heatmap", "grade": grade.pk}
    return open_audited(
        blob, action="scan.open", actor=actor, obj=grade.image, project=grade.project_id, details=details
    )


def _drawn_by_worker(grade: Grade) -> Grade:
    while grade.heatmap is None and grade.finished_at and timezone.now() - grade.finished_at < DRAWING:
        time.sleep(POLL_S)
        grade = _read(grade.pk)
    return grade


def _read(pk: int) -> Grade:
    related = ("project", "image", "image__blob", "model", "model__bundle", "heatmap")
    return Grade.objects.select_related(*related).get(pk=pk)
