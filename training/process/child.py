"""The training process: one attempt of a run, and how it ends. `runner` starts it, or `launching` several, and watches."""

import logging
import signal
from typing import Final

from django.db import OperationalError

from mediscan_site.core import pausing, work
from mediscan_site.core.errors import is_full
from mediscan_site.core.models import WorkStatus
from models_registry.models import ModelVersion
from training import planning
from training.engine.group import ALONE, PeerLost, join, launched, leads
from training.models import TrainingRun
from training.process import ending
from training.process.book import Book, NoBook
from training.process.ending import EXIT_STOPPED
from training.process.explaining import explain
from training.process.making import Training
from training.process.recorder import Recorder, Silent

log = logging.getLogger(__name__)

# sysexits.h EX_SOFTWARE: of one of several processes, which has written why the run failed; its launcher ends the others.
EXIT_FAILED: Final = 70


def execute(pk: int, attempt: int) -> int:
    """Do this attempt's work and write how it ended. The exit status: 0, or EXIT_STOPPED when it wrote nothing.

    Of several processes that train together each writes what it fails from; one that has only lost the others writes nothing,
    nor does one that has lost its database, or not reached it at all: the run is resumed when it is back."""
    try:
        return _attempt(pk, attempt)
    except OperationalError as error:
        log.warning("Training run %s lost its database and waits to be resumed: %s", pk, error)
        return EXIT_STOPPED


def _attempt(pk: int, attempt: int) -> int:
    rows = TrainingRun.objects.select_related("project", "snapshot", "base_model", "checkpoint", "created_by")
    run = rows.filter(pk=pk, attempt=attempt, status=WorkStatus.RUNNING).first()
    if run is None:
        return EXIT_STOPPED
    recorder, book = (Recorder(run, attempt), Book(run)) if leads() else (Silent(run, attempt), NoBook(run))
    signal.signal(signal.SIGTERM, lambda *_: recorder.stop())
    try:
        made = _registered(run) or _made(run, recorder, book)
    except work.Stopped:
        return _stopped(run, book)
    except PeerLost as error:
        return _alone(run, book, error)
    except OperationalError:
        raise
    except Exception as error:
        if is_full(error):
            pausing.pause(TrainingRun, pk, attempt)
            return EXIT_STOPPED
        book.abandon(failed=True)
        ending.end(pk, attempt, status=WorkStatus.FAILED, error=explain(run, error))
        return EXIT_FAILED if launched() else 0
    if made is not None:
        ending.end(pk, attempt, status=WorkStatus.SUCCEEDED, model=made[0], message=made[1])
    book.close()
    return 0


def _made(run: TrainingRun, recorder: Recorder, book: Book) -> tuple[ModelVersion, str] | None:
    """What this attempt registers; None in a process that only trains with the one that does."""
    processes = join(planning.device()) if launched() else ALONE
    return Training(run, recorder, book, processes).result()


def _alone(run: TrainingRun, book: Book, error: PeerLost) -> int:
    """The process that ended may have written why; else the run is given out again."""
    log.warning("%s: %s", run.code, error)
    run.refresh_from_db(fields=["status"])
    if run.status == WorkStatus.FAILED:
        book.abandon(failed=True)
    return EXIT_STOPPED


def _registered(run: TrainingRun) -> tuple[ModelVersion, str] | None:
    """What an attempt that was lost in its very last step has already made."""
    model = ModelVersion.objects.filter(source=run.source).first()
    return (model, run.config["initialisation_note"]) if model else None


def _stopped(run: TrainingRun, book: Book) -> int:
    run.refresh_from_db(fields=["cancel_requested"])
    if run.cancel_requested:
        book.abandon(failed=False)
    return EXIT_STOPPED
