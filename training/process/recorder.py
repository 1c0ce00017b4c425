"""What a training process writes of itself while it runs. Every write asks first whether its attempt still stands."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, transaction
from django.db.models import QuerySet

from images.models import Image
from mediscan_site.core import work
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import Blob, WorkStatus
from mediscan_site.core.storage import blobs
from training.engine.report import EpochReport
from training.models import EpochMetrics, ShownScan, TrainingRun
from training.process import ending

log = logging.getLogger(__name__)

WRITE_INTERVAL_S: Final = 0.5
# A guess at the time left needs this many seconds and this share of the work to go by.
MEASURED_S: Final = 3.0
MEASURED_SHARE: Final = 0.01
CHECKPOINT_TYPE: Final = "application/octet-stream"
# Of the environment of a run: the scans without labels that it learned from, and the digest of their pixels.
UNLABELLED_SCANS: Final = "unlabelled_scans"
UNLABELLED_DIGEST: Final = "unlabelled_digest"
PNG: Final = "image/png"


@dataclass
class Pace:
    """How fast a stage gets on, from where it was first seen: a run that was taken up again starts in the middle."""

    since: float | None = None
    start: float = 0.0

    def left(self, fraction: float, now: float) -> str:
        """ ", about 2 min left"; empty while there is too little to go by."""
        if self.since is None or fraction < self.start:
            self.since, self.start = now, fraction
        took, done = now - self.since, fraction - self.start
        if took < MEASURED_S or done < MEASURED_SHARE or fraction >= 1:
            return ""
        return f", about {duration(took * (1 - fraction) / done)} left"


def duration(seconds: float) -> str:
    """A length of time as a person would say it: 10 s, 2 min, 3 h."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


class Recorder:
    """Progress, epochs and checkpoints of one attempt."""

    def __init__(self, run: TrainingRun, attempt: int) -> None:
        self.run = run
        self.attempt = attempt
        self._stop = threading.Event()
        self._span = (0.0, 1.0)
        self._written_at = 0.0
        self._pace = Pace()

    def stop(self) -> None:
        """Ask the work to end (a signal's handler calls this)."""
        self._stop.set()

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        """Raises work.Stopped when the work should end."""
        if self._stop.is_set():
            raise work.Stopped

    def stage(self, low: float, high: float, message: str) -> None:
        """From now on progress runs from `low` to `high` of the whole. The change is written at once."""
        self._span, self._written_at = (low, high), 0.0
        self._pace = Pace()
        self.progress(0.0, message)

    def progress(self, fraction: float, message: str) -> None:
        """How far the stage is (0 to 1), with the time that it will still take, written at most twice a second."""
        now = time.monotonic()
        left = self._pace.left(fraction, now)
        if now - self._written_at < WRITE_INTERVAL_S:
            return
        self._written_at = now
        low, high = self._span
        try:
            running = self._mine().filter(cancel_requested=False)
            text = f"{message[:170]}{left}"
            if not running.update(progress=low + (high - low) * fraction, message=text):
                self.stop()
        except OperationalError as error:
            # Only a figure to look at; what must not be lost is written elsewhere and may fail.
            log.warning("No progress written for %s: %s", self.run.code, error)

    @done_again
    def environment(self, facts: dict[str, Any]) -> None:
        self.run.environment = facts
        self._mine().update(environment=facts)

    def unlabelled(self, scans: int, digest: str) -> None:
        """What the run learns to see from beside its data set, for whoever makes it again."""
        self.environment({**self.run.environment, UNLABELLED_SCANS: scans, UNLABELLED_DIGEST: digest})

    @done_again
    def epoch(self, report: EpochReport) -> None:
        """The row of one epoch. An epoch that a resumed run repeats replaces what the lost attempt measured."""
        metrics = report.to_dict()
        phase, number = metrics.pop("phase"), metrics.pop("epoch")
        # The configured number is the run's, not a measurement.
        metrics.pop("epochs", None)
        with transaction.atomic():
            self._fence()
            EpochMetrics.objects.update_or_create(
                run=self.run, epoch=number, defaults={"phase": phase, "metrics": metrics}
            )

    def checkpoint(self, data: bytes) -> None:
        """Keep these bytes, encrypted, as what the run can be resumed from; the ones before are destroyed."""
        blob = blobs.write(data, namespace=blobs.namespace(self.run.project_id), content_type=CHECKPOINT_TYPE)
        with blobs.discarded_on_failure(blob):
            self._refer_to(blob)
        before, self.run.checkpoint = self.run.checkpoint, blob
        if before is not None:
            ending.drop(before)

    @done_again
    def _refer_to(self, checkpoint: Blob) -> None:
        with transaction.atomic():
            checkpoint.save(force_insert=True)
            self._fence(checkpoint=checkpoint)

    def has_inputs_sheet(self) -> bool:
        """Whether an attempt before has drawn it."""
        return self._mine().filter(inputs_sheet__isnull=False).exists()

    def inputs_sheet(self, picture: bytes, scans: Collection[int]) -> None:
        """Keep the contact sheet, on which these scans are to be seen; not when one of them has been erased meanwhile."""
        blob = blobs.write(picture, namespace=blobs.namespace(self.run.project_id), content_type=PNG)
        with blobs.discarded_on_failure(blob):
            self._keep_sheet(blob, scans)

    @done_again
    def _keep_sheet(self, blob: Blob, scans: Collection[int]) -> None:
        with transaction.atomic():
            # An erased scan takes the sheet along. Its erasure holds its row too: none may appear after it.
            there = Image.objects.select_for_update().filter(pk__in=scans, erased_at__isnull=True).order_by("pk")
            if len(there) < len(scans):
                raise NotFound("A scan of the contact sheet has been erased.")
            blob.save(force_insert=True)
            self._fence(inputs_sheet=blob)
            ShownScan.objects.bulk_create(ShownScan(run=self.run, image=image) for image in there)

    def counter(self, total: int, message: str) -> Callable[[int], None]:
        """A callback for loops over `total` things: shows how many are done, and raises work.Stopped."""

        def step(done: int) -> None:
            self.check()
            self.progress(done / max(total, 1), message)

        return step

    def _mine(self) -> QuerySet[TrainingRun]:
        return TrainingRun.objects.filter(pk=self.run.pk, attempt=self.attempt, status=WorkStatus.RUNNING)

    def _fence(self, **columns: Any) -> None:
        """Write columns of the run, or raise work.Stopped (which rolls back the transaction around it)."""
        if not self._mine().update(**(columns or {"attempt": self.attempt})):
            self.stop()
            raise work.Stopped


class Silent(Recorder):
    """Writes nothing: of a process whose run another one records."""

    def progress(self, fraction: float, message: str) -> None:
        """The other process tells it."""

    def environment(self, facts: dict[str, Any]) -> None:
        self.run.environment = facts

    def unlabelled(self, scans: int, digest: str) -> None:
        """The other process tells it."""

    def epoch(self, report: EpochReport) -> None:
        """The other process has its row."""

    def has_inputs_sheet(self) -> bool:
        """None is drawn."""
        return True

    def checkpoint(self, data: bytes) -> None:
        """The other process keeps one."""
