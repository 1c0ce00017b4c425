"""Figures for Prometheus that are read from the database at each scrape."""

import logging
from collections.abc import Callable, Iterator

from django.db import DatabaseError
from prometheus_client import REGISTRY, Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from mediscan_site.core import notices
from mediscan_site.core.backup import drills
from mediscan_site.core.backup import selectors as backups
from mediscan_site.core.storage import damage, room

log = logging.getLogger(__name__)


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


FIGURES = (
    Figure("mediscan_backup_age_seconds", "Age of the newest verified backup", backups.age_seconds),
    Figure("mediscan_notices", "Troubles that administrators are told of, not mended yet", notices.count),
    Figure(
        "mediscan_objects_quarantined", "Stored objects that are damaged and refused", lambda: damage.damaged().count()
    ),
    Figure("mediscan_drill_age_seconds", "Since a restore last succeeded in a rehearsal", drills.age_seconds),
    Figure("mediscan_disk_room_bytes", "Bytes that may still be stored; below 0 uploads are refused", room.left),
)


def register() -> None:
    """Once in each process that answers /metrics."""
    for figure in FIGURES:
        REGISTRY.register(figure)
