"""The worker side of an evaluation: reads a test split once, and stores its figures with the number of this reading."""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.models import WorkStatus
from models_registry.evaluations import reporting
from models_registry.models import Evaluation
from models_registry.versions import serving
from models_registry.versions.answers import Answer, keep
from models_registry.versions.failures import fail
from models_registry.versions.fairness import next_test_read

log = logging.getLogger(__name__)


def run_evaluation(pk: int) -> None:
    """Claim the evaluation, read the test split, store the report. Whatever goes wrong ends in a failed row that says so."""
    attempt = work.claim(Evaluation, pk)
    if attempt is None:
        return
    evaluation = Evaluation.objects.select_related(
        "model", "model__bundle", "model__project", "snapshot", "requested_by"
    ).get(pk=pk)
    try:
        with work.keep_alive(Evaluation, pk, attempt) as pulse:
            answers: list[Answer] = []
            report = measure(evaluation, pulse, answers)
    except work.Stopped:
        work.finish(Evaluation, pk, attempt, status=WorkStatus.CANCELLED)
    except reporting.NothingToRead as error:
        work.finish(Evaluation, pk, attempt, status=WorkStatus.FAILED, error=str(error))
    except Exception as error:
        fail(evaluation, attempt, error)
    else:
        _store(evaluation, attempt, report, answers)


def measure(evaluation: Evaluation, pulse: work.Pulse, answers: list[Answer] | None = None) -> dict[str, Any]:
    """The report over the test members that still exist; what the version said of each goes to `answers`. Raises work.Stopped when
    nobody wants the result any more."""

    def on_read(done: int, total: int) -> None:
        if pulse.should_stop():
            raise work.Stopped
        pulse.progress(done / total)

    model = evaluation.model
    predictor = serving.predictor(model)
    return reporting.build(evaluation.snapshot, predictor, model.classes, model=model, on_read=on_read, answers=answers)


@done_again
def _store(evaluation: Evaluation, attempt: int, report: dict[str, Any], answers: Sequence[Answer]) -> None:
    with transaction.atomic():
        reads = next_test_read(evaluation.snapshot)
        done = work.finish(
            Evaluation, evaluation.pk, attempt, status=WorkStatus.SUCCEEDED, metrics=report, test_reads=reads
        )
        if done:
            keep(evaluation, answers)
            project = evaluation.model.project_id
            details = {"model": evaluation.model_id, "dataset": evaluation.snapshot_id, "test_reads": reads}
            audit.record(
                "evaluation.finish", actor=evaluation.requested_by, obj=evaluation, project=project, details=details
            )
