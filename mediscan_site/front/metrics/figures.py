"""Figures that are measured at each scrape, from the database and the disk."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from django.db import Error
from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mediscan_site.core import notices, workers
from mediscan_site.core.backup import drills
from mediscan_site.core.backup import selectors as backups
from mediscan_site.core.storage import damage, room
from mediscan_site.front.metrics import jobs
from models_registry.models import DeployedModel

log = logging.getLogger(__name__)
MOST_SERVING: Final = 200


class Measured(Collector):
    """What `measure` gives at each scrape. While the database is away it is left out: the other figures are still useful.
    `what` it is: for the log."""

    def __init__(self, what: str, measure: Callable[[], Iterable[Metric]]) -> None:
        self._what, self._measure = what, measure

    def describe(self) -> list[Metric]:
        # Asked as it is registered, when there may be no database yet.
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            found = list(self._measure())
        except Error as error:
            log.warning("No figures of %s, the database is away: %s", self._what, error)
            return
        yield from found


def _gauge(name: str, help_text: str, measure: Callable[[], float]) -> Measured:
    return Measured(name, lambda: [GaugeMetricFamily(name, help_text, value=measure())])


def _workers() -> Iterator[Metric]:
    """Programs that beat lately, and the processes that they work with, by queue; beat is one of them."""
    number = GaugeMetricFamily("mediscan_workers", "Workers seen lately; beat too", labels=["queue"])
    size = GaugeMetricFamily("mediscan_worker_processes", "Their processes", labels=["queue"])
    for queue, (programs, processes) in workers.lately().items():
        number.add_metric([queue], programs)
        size.add_metric([queue], processes)
    yield from (number, size)


def _deployed() -> Iterator[Metric]:
    """What serves: always 1, the version is a label. Of the MOST_SERVING projects that were made first."""
    info = GaugeMetricFamily("mediscan_model_deployed_info", "The version that serves", labels=["project", "model"])
    for row in DeployedModel.objects.select_related("deployment__model").order_by("pk")[:MOST_SERVING]:
        info.add_metric([str(row.project_id), row.deployment.model.code], 1)
    yield info


JOBS: Final = Measured("work", jobs.metrics)
WORKERS: Final = Measured("workers", _workers)
DEPLOYED: Final = Measured("deployed models", _deployed)
FIGURES: list[Collector] = [
    _gauge("mediscan_backup_age_seconds", "Age of the newest verified backup", backups.age_seconds),
    _gauge("mediscan_notices", "Troubles that administrators are told of, not mended yet", notices.count),
    _gauge(
        "mediscan_objects_quarantined", "Stored objects that are damaged and refused", lambda: damage.damaged().count()
    ),
    _gauge("mediscan_drill_age_seconds", "Since a restore last succeeded in a rehearsal", drills.age_seconds),
    _gauge("mediscan_disk_room_bytes", "Bytes that may still be stored; below 0 uploads are refused", room.left),
    JOBS,
    WORKERS,
    DEPLOYED,
]


def register() -> None:
    """For whoever reads the process's own registry: one web process, tests. Several are asked through `exposition`."""
    for figure in FIGURES:
        REGISTRY.register(figure)
