"""The worker side of a grade batch. It works in chunks: each is one transaction, so whatever ends the worker, a scan is graded
once, and the next attempt goes on where this one was. It gives its place up between chunks as soon as a single grade waits."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from images.frames import UNCHOSEN, WHAT_HELPS, Looked, all_looked_at, unchosen
from images.renditions import stored_tiles
from mediscan_site.core import audit, numbers, pausing, work
from mediscan_site.core.again import done_again
from mediscan_site.core.database import save_all
from mediscan_site.core.errors import DomainError, Unavailable, is_full
from mediscan_site.core.models import ACTIVE, WorkStatus
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.grades import referrals
from models_registry.grades.worker import answers
from models_registry.models import Grade, GradeBatch, GradeBatchItem
from models_registry.versions import blind_reads
from models_registry.versions.failures import describe, fail

log = logging.getLogger(__name__)
Outcome = GradeBatchItem.Outcome

CHUNK: Final = 32
# How long a batch works on while another batch waits, and at most until it asks again whose turn it is.
SLICE_S: Final = 10.0
LONGEST_S: Final = 60.0
RETRY_S: Final = 30.0
_LEFT_OUT: Final = {
    "erased": "The scan was erased.",
    "held": "The scan is held back until somebody has checked whether it shows who the patient is. Release it, then grade it.",
    UNCHOSEN: f"The scan has several frames, and nobody has said which of them count. {WHAT_HELPS}",
    "already_asked": "Somebody asked for a grade of this scan by the same version already.",
}


def run_batch(pk: int) -> None:
    """Claim the batch and work on it for a while: to its end, or until others shall have their turn."""
    attempt = work.claim(GradeBatch, pk)
    if attempt is None:
        return
    related = ("project", "model__project", "model__bundle", "model__graph__blob", "requested_by")
    batch = GradeBatch.objects.select_related(*related).get(pk=pk)
    try:
        with work.keep_alive(GradeBatch, pk, attempt) as pulse:
            over = _Slice(batch, attempt, pulse).run()
    except work.Stopped:
        _cancelled(batch, attempt)
    except Unavailable as error:
        log.warning("Grade batch %s waits: %s", pk, error)
        _give_back(batch, attempt, seconds=RETRY_S)
    except Exception as error:
        pausing.pause(GradeBatch, pk, attempt) if is_full(error) else fail(batch, attempt, error)
    else:
        if not over:
            _give_back(batch, attempt)


@done_again
def _cancelled(batch: GradeBatch, attempt: int) -> None:
    """Nothing is written when another attempt has the row."""
    with transaction.atomic():
        if work.finish(GradeBatch, batch.pk, attempt, status=WorkStatus.CANCELLED):
            _record_end(batch, WorkStatus.CANCELLED)


@done_again
def _give_back(batch: GradeBatch, attempt: int, *, seconds: float = 0.0) -> None:
    """Queued again, behind what waits; in `seconds`, the sweeper wakes somebody for it. Nothing was lost, so the attempt does
    not count."""
    with transaction.atomic():
        mine = _mine(batch, attempt)
        if mine.filter(cancel_requested=True).exists():
            if work.finish(GradeBatch, batch.pk, attempt, status=WorkStatus.CANCELLED):
                _record_end(batch, WorkStatus.CANCELLED)
        elif work.put_off(GradeBatch, batch.pk, attempt, seconds=seconds):
            GradeBatch.objects.filter(pk=batch.pk).update(turn=F("turn") + 1, attempt=attempt - 1)
            if not seconds:
                work.wake(batch)


def _mine(batch: GradeBatch, attempt: int) -> "QuerySet[GradeBatch]":
    return GradeBatch.objects.filter(pk=batch.pk, attempt=attempt, status=WorkStatus.RUNNING)


def _record_end(batch: GradeBatch, status: WorkStatus) -> None:
    numbers.keep(batch, GradeBatchItem.objects.all())
    audit.record(
        "grade_batch.finish",
        actor=batch.requested_by,
        obj=batch,
        project=batch.project_id,
        details={"status": str(status)},
    )


@dataclass
class _Chunk:
    """What became of some scans: the columns of an answer, or (outcome, code, sentence)."""

    answered: dict[int, dict[str, Any]] = field(default_factory=dict)
    others: dict[int, tuple[Outcome, str, str]] = field(default_factory=dict)


class _Slice:
    """One attempt's turn at one batch."""

    def __init__(self, batch: GradeBatch, attempt: int, pulse: work.Pulse) -> None:
        self.batch, self.attempt, self.pulse = batch, attempt, pulse
        self._items = GradeBatchItem.objects.filter(batch=batch)
        self._waiting = self._items.filter(outcome=Outcome.WAITING)
        scans = self._waiting.select_related("image__blob", "image__metadata")
        self._next = scans.prefetch_related(stored_tiles("image"))
        self._done = self._items.exclude(outcome=Outcome.WAITING).count()

    def run(self) -> bool:
        """Whether the batch is over. Each turn is worth a chunk at least, and ending takes no turn of its own."""
        started, done_before = time.monotonic(), self._done
        while True:
            if self.pulse.should_stop():
                raise work.Stopped
            items = list(self._next.order_by("pk")[:CHUNK])
            if not items:
                if self._finish():
                    return True
                continue
            if self._done > done_before and self._others_turn(time.monotonic() - started):
                return False
            self._write(items, self._grade(items))
            self._done += len(items)

    def _others_turn(self, spent_s: float) -> bool:
        if spent_s > LONGEST_S or Grade.objects.filter(status=WorkStatus.QUEUED).exists():
            return True
        return spent_s > SLICE_S and GradeBatch.objects.filter(status=WorkStatus.QUEUED).exists()

    def _grade(self, items: Sequence[GradeBatchItem]) -> _Chunk:
        """Touches the database only to read."""
        chunk, asked = _Chunk(), self._asked_before(items)
        looked = all_looked_at([item.image for item in items], self.batch.project)
        scans = []
        for item in items:
            if code := _left_out(item, asked, looked[item.image_id]):
                chunk.others[item.pk] = (Outcome.LEFT_OUT, code, _LEFT_OUT[code])
            else:
                scans.append(item)
        found = answers(self.batch.model, [item.image for item in scans]) if scans else []
        for item, one in zip(scans, found, strict=True):
            if isinstance(one, DatabaseError | Unavailable):
                raise one
            if isinstance(one, Exception):
                log.warning("Scan %s of grade batch %s has no answer", item.image_id, self.batch.pk, exc_info=one)
                chunk.others[item.pk] = (Outcome.FAILED, _code(one), describe(one))
            else:
                chunk.answered[item.pk] = one
        return chunk

    def _asked_before(self, items: Sequence[GradeBatchItem]) -> set[int]:
        """Of arrivals: what somebody has asked of this version by name. Who chooses scans wants them graded, once more too."""
        if self.batch.origin != GradeBatch.Origin.ARRIVAL:
            return set()
        known = Grade.objects.filter(
            model=self.batch.model_id, image__in=[item.image_id for item in items], blind=False
        )
        return set(known.filter(status__in=(*ACTIVE, WorkStatus.SUCCEEDED)).values_list("image", flat=True))

    @done_again
    def _write(self, items: Sequence[GradeBatchItem], chunk: _Chunk) -> None:
        """The answers, what they mean for the batch and the worklist, and the trail, in one transaction. Written first is the
        row of the batch: whoever no longer holds it waits there, and then writes nothing."""
        total = max(self.batch.total, self._done + len(items))
        progress = min((self._done + len(items)) / total, 0.999)
        with transaction.atomic():
            held = _mine(self.batch, self.attempt).filter(cancel_requested=False)
            if not held.update(heartbeat_at=Now(), progress=progress):
                raise work.Stopped
            grades = self._save_grades([item for item in items if item.pk in chunk.answered], chunk)
            for item in items:
                item.grade = grades.get(item.pk)
                item.outcome, item.code, item.detail = chunk.others.get(item.pk) or _graded(grades[item.pk])
            GradeBatchItem.objects.bulk_update(items, ["grade", "outcome", "code", "detail"])
            self._tell(list(grades.values()))

    def _save_grades(self, items: Sequence[GradeBatchItem], chunk: _Chunk) -> dict[int, Grade]:
        now = timezone.now()
        common = {
            "project": self.batch.project,
            "model": self.batch.model,
            "requested_by": self.batch.requested_by,
            "status": WorkStatus.SUCCEEDED,
            "progress": 1.0,
            "started_at": now,
            "finished_at": now,
        }
        grades = [Grade(image=item.image, batched=True, **common, **chunk.answered[item.pk]) for item in items]
        save_all(grades)
        return {item.pk: grade for item, grade in zip(items, grades, strict=True)}

    def _tell(self, grades: Sequence[Grade]) -> None:
        referred = {grade.image_id: grade.pk for grade in grades if grade.decision == Grade.Decision.REFER}
        referrals.open_for(self.batch.project_id, referred)
        said = {"model": self.batch.model_id, "batch": self.batch.pk}
        audit.record_many(
            "grade.finish",
            actor=self.batch.requested_by,
            project=self.batch.project_id,
            about=[(grade, {**said, "decision": grade.decision}) for grade in grades],
        )
        for grade in grades:
            blind_reads.draw(grade, grade.decision)

    @done_again
    def _finish(self) -> bool:
        """End the batch, unless scans have joined it since we looked: see `services.take_in`."""
        with transaction.atomic():
            if not _mine(self.batch, self.attempt).update(heartbeat_at=Now()):
                raise work.Stopped
            if self._waiting.exists():
                return False
            work.finish(GradeBatch, self.batch.pk, self.attempt, status=WorkStatus.SUCCEEDED)
            _record_end(self.batch, WorkStatus.SUCCEEDED)
        return True


def _graded(grade: Grade) -> tuple[Outcome, str, str]:
    referred = grade.decision == Grade.Decision.REFER
    return (Outcome.REFERRED if referred else Outcome.ANSWERED), "", ""


def _left_out(item: GradeBatchItem, asked_before: set[int], looked: Looked) -> str:
    """A code of _LEFT_OUT, or nothing for a scan to be graded."""
    image = item.image
    if image.erased_at is not None:
        return "erased"
    if image.hold:
        return "held"
    if unchosen(image, looked):
        return UNCHOSEN
    return "already_asked" if item.image_id in asked_before else ""


def _code(error: Exception) -> str:
    if isinstance(error, DamagedObject):
        return "damaged"
    return error.code if isinstance(error, DomainError) else "unexpected"
