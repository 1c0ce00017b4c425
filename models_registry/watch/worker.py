"""The worker side of watching: the streams, every minute; a look at a version, on request and every night."""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max
from django.utils import timezone

from mediscan_site.core import work
from mediscan_site.core.models import WorkStatus
from models_registry.acceptance import drawing
from models_registry.models import BlindRead, DeployedModel, Grade, ModelVersion, Watch
from models_registry.watch import accuracy, alarms, looking, streams

# What the minute's round looks back; the nightly look counts everything.
RECENT: Final = timedelta(days=2)

log = logging.getLogger(__name__)
# What this process has looked at: of each version the newest blind read, and the number of recent ones.
_looked_at: dict[int, tuple[datetime, int]] = {}


def watch_streams(pk: int = 0) -> None:
    """For one version, or (0) for all that are deployed: count in what was answered since and raise alarms that are due. Then
    mail what waits, and draw for open acceptance tests."""
    for model in deployed():
        if pk not in (0, model.pk):
            continue
        # By when they were asked for, of which there is an index.
        recent = Grade.objects.filter(model=model, created_at__gte=timezone.now() - RECENT).exclude(site="")
        for site in sorted(set(recent.order_by().values_list("site", flat=True).distinct())):
            if _is_behind(model, site):
                advance(model, site)
        newest = _newest_read(model)
        if newest is not None and _looked_at.get(model.pk) != newest and advance_accuracy(model):
            _looked_at[model.pk] = newest
    alarms.mail_what_waits()
    drawing.draw_for_all()


def advance(model: ModelVersion, site: str, *, whole: bool = False) -> None:
    """One stream (`whole`: from its beginning); what goes wrong with one does not keep the others from being watched."""
    try:
        found = streams.advance(model, site, whole=whole)
        if found is not None:
            alarms.raise_if_due(*found)
    except Exception:
        log.exception("The stream of %s at %s could not be advanced", model.code, site)


def advance_accuracy(model: ModelVersion) -> bool:
    """Whether it could be looked at."""
    try:
        accuracy.advance(model)
    except Exception:
        log.exception("The live accuracy of %s could not be looked at", model.code)
        return False
    return True


def _newest_read(model: ModelVersion) -> tuple[datetime, int] | None:
    """The newest recent blind read, and how many recent ones there are: as long as both are the same, nothing new can follow."""
    since = timezone.now() - RECENT
    rows = BlindRead.objects.filter(project=model.project_id, grade__model=model, read_at__gte=since)
    found = rows.aggregate(newest=Max("read_at"), number=Count("pk"))
    return (found["newest"], found["number"]) if found["newest"] else None


def _is_behind(model: ModelVersion, site: str) -> bool:
    newest = Grade.objects.filter(model=model, site=site, status=WorkStatus.SUCCEEDED, blind=False)
    last = newest.order_by("-finished_at", "-pk").values_list("finished_at", flat=True).first()
    row = model.watch_streams.filter(site=site).values_list("updated_at", flat=True).first()
    return last is not None and (row is None or last > row - timedelta(minutes=5))


def deployed() -> list[ModelVersion]:
    serving = DeployedModel.objects.values("deployment__model")
    return list(ModelVersion.objects.filter(pk__in=serving).select_related("project", "snapshot"))


def run_watch(pk: int) -> None:
    """One look: all streams of the version from their grades, then the figures."""
    attempt = work.claim(Watch, pk)
    if attempt is None:
        return
    row = Watch.objects.select_related("model__project", "project").get(pk=pk)
    try:
        with work.keep_alive(Watch, pk, attempt):
            for site in looking.sites(row.model):
                advance(row.model, site, whole=True)
            advance_accuracy(row.model)
            result = looking.result(row.model)
    except Exception as error:
        log.exception("Watch %s failed", pk)
        work.finish(Watch, pk, attempt, status=WorkStatus.FAILED, error=work.describe_failure(error))
        return
    work.finish(Watch, pk, attempt, status=WorkStatus.SUCCEEDED, result=result)
