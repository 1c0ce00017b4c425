"""How a run ends, whoever finds out: one conditional write that also frees the project for the next run."""

from typing import Any, Final

from django.db import transaction

from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.models import Blob, WorkStatus
from mediscan_site.core.storage import blobs
from models_registry.models import ModelVersion
from training.models import TrainingRun

# sysexits.h EX_TEMPFAIL: the training process ended without a result, on request; the run may be resumed.
EXIT_STOPPED: Final = 75


def end(
    pk: int,
    attempt: int,
    *,
    status: WorkStatus,
    error: str = "",
    message: str = "",
    model: ModelVersion | None = None,
) -> bool:
    """End this attempt. False when another attempt holds the run: then nothing was written."""
    columns = {"message": message[:200], "model_id": model.pk if model else None}
    done = _end(pk, attempt, status=status, error=error, columns=columns)
    if done:
        sweep_checkpoints()
    return done


@done_again
def _end(pk: int, attempt: int, *, status: WorkStatus, error: str, columns: dict[str, Any]) -> bool:
    with transaction.atomic():
        run = TrainingRun.objects.select_related("created_by").get(pk=pk)
        done = work.finish(TrainingRun, pk, attempt, status=status, error=error, active=None, **columns)
        if done:
            details = {"status": str(status), "model": columns["model_id"]}
            audit.record("run.finish", actor=run.created_by, obj=run, project=run.project_id, details=details)
    return done


def sweep_checkpoints() -> None:
    """Destroy what ended runs could have been resumed from: also of those that the sweeper of lost work has ended."""
    for run in TrainingRun.objects.filter(active__isnull=True, checkpoint__isnull=False).select_related("checkpoint"):
        checkpoint = run.checkpoint
        if TrainingRun.objects.filter(pk=run.pk, checkpoint=checkpoint).update(checkpoint=None) and checkpoint:
            drop(checkpoint)


def drop(checkpoint: Blob) -> None:
    """Destroy a checkpoint that no run refers to any more, and its row: unlike a scan's it is nobody's history."""
    blobs.erase(checkpoint)
    Blob.objects.filter(pk=checkpoint.pk).delete()
