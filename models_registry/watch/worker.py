"""The worker side of watching: the streams, every minute; a look at a version, on request and every night."""

import logging
from datetime import timedelta
from typing import Final

from django.utils import timezone

from mediscan_site.core import work
from mediscan_site.core.models import WorkStatus
from models_registry.acceptance import drawing
from models_registry.models import BlindRead, DeployedModel, Grade, ModelVersion, Watch
from models_registry.watch import accuracy, alarms, looking, streams

# What the minute's round looks back; the nightly look counts everything.
RECENT: Final = timedelta(days=2)

log = logging.getLogger(__name__)


def watch_streams(pk: int = 0) -> None:
    """For one version, or (0) for all that are deployed: count in what was answered since and raise alarms that are due. Then
    mail what waits, and draw for open acceptance tests."""
    for model in deployed():
        if pk not in (0, model.pk):
            continue
        recent = Grade.objects.filter(model=model, finished_at__gte=timezone.now() - RECENT).exclude(site="")
        for site in sorted(set(recent.order_by().values_list("site", flat=True).distinct())):
            if _is_behind(model, site):
                advance(model, site)
        if _was_read(model):
            advance_accuracy(model)
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


def advance_accuracy(model: ModelVersion) -> None:
    try:
        accuracy.advance(model)
    except Exception:
        log.exception("The live accuracy of %s could not be looked at", model.code)


def _was_read(model: ModelVersion) -> bool:
    since = timezone.now() - RECENT
    return BlindRead.objects.filter(grade__model=model, read_at__gte=since).exists()


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
