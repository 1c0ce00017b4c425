"""The worker's side of `versions.summaries`: reads all the answers once."""

from collections.abc import Callable
from typing import Any

from models_registry.browsing import comparing, cutoffs, kept
from models_registry.models import AnswerSummary, Evaluation
from models_registry.versions import summaries


def summarise(pk: int) -> None:
    """Make what is asked for; made already of these very answers, nothing."""
    row = AnswerSummary.objects.select_related("evaluation__model", "evaluation__snapshot").filter(pk=pk).first()
    if row is None:
        return
    kind, number = row.name.split()
    if kind == summaries.CUTOFFS:
        _keep(row, [row.evaluation], lambda: cutoffs.made(row.evaluation, int(number)))
    elif other := Evaluation.objects.select_related("model", "snapshot").filter(pk=number).first():
        _keep(row, [row.evaluation, other], lambda: comparing.made(row.evaluation, other))


def _keep(row: AnswerSummary, readings: list[Evaluation], make: Callable[[], Any]) -> None:
    # Counted first: of a scan that is erased meanwhile the next look says so.
    answers = kept.count(*readings)
    if row.value is None or row.answers != answers:
        summaries.keep(row.pk, make(), answers)
