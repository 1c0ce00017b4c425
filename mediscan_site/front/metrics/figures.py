"""Single figures that are read from the database and the disk at each scrape."""

import logging
from collections.abc import Callable, Iterator

from django.db import DatabaseError
from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from mediscan_site.core import notices, workers
from mediscan_site.core.backup import drills
from mediscan_site.core.backup import selectors as backups
from mediscan_site.core.storage import damage, room
from mediscan_site.front.metrics.jobs import Jobs
from models_registry.models import DeployedModel

log = logging.getLogger(__name__)
MOST_SERVING = 200


class Figure(Collector):
    """One gauge. While the database is away it is left out: the other figures are still useful."""

    def __init__(self, name: str, help_text: str, measure: Callable[[], float]) -> None:
        self._name, self._help, self._measure = name, help_text, measure

    def describe(self) -> list[Metric]:
        return [GaugeMetricFamily(self._name, self._help)]

    def collect(self) -> Iterator[Metric]:
        (gauge,) = self.describe()
        try:
            value = self._measure()
        except DatabaseError:
            log.warning("No %s: the database is away", self._name)
            return
        gauge.samples.append(Sample(gauge.name, {}, value))
        yield gauge


class Workers(Collector):
    """Programs that beat lately, and the processes that they work with, by queue; beat is one of them."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        number = GaugeMetricFamily("mediscan_workers", "Workers seen lately; beat too", labels=["queue"])
        size = GaugeMetricFamily("mediscan_worker_processes", "Their processes", labels=["queue"])
        try:
            seen = workers.lately()
        except DatabaseError:
            log.warning("No figures of workers: the database is away")
            return
        for queue, (programs, processes) in seen.items():
            number.add_metric([queue], programs)
            size.add_metric([queue], processes)
        yield from (number, size)


class Deployed(Collector):
    """What serves: always 1, the version is a label. Of the MOST_SERVING projects that were made first."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("mediscan_model_deployed_info", "The version that serves", labels=["project", "model"])
        rows = DeployedModel.objects.select_related("deployment__model").order_by("pk")[:MOST_SERVING]
        try:
            for row in rows:
                info.add_metric([str(row.project_id), row.deployment.model.code], 1)
        except DatabaseError:
            log.warning("No figures of deployed models: the database is away")
            return
        yield info


FIGURES: list[Collector] = [
    Figure("mediscan_backup_age_seconds", "Age of the newest verified backup", backups.age_seconds),
    Figure("mediscan_notices", "Troubles that administrators are told of, not mended yet", notices.count),
    Figure(
        "mediscan_objects_quarantined", "Stored objects that are damaged and refused", lambda: damage.damaged().count()
    ),
    Figure("mediscan_drill_age_seconds", "Since a restore last succeeded in a rehearsal", drills.age_seconds),
    Figure("mediscan_disk_room_bytes", "Bytes that may still be stored; below 0 uploads are refused", room.left),
    Jobs(),
    Workers(),
    Deployed(),
]


def register() -> None:
    """For whoever reads the process's own registry: one web process, tests. Several are asked through `exposition`."""
    for figure in FIGURES:
        REGISTRY.register(figure)
