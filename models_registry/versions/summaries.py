"""Figures over very many answers: asked for once, made by a worker, and kept with the evaluation."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from mediscan_site.core import work
from mediscan_site.core.again import done_again
from mediscan_site.core.database import ago
from models_registry.models import AnswerSummary, Evaluation

# Of so many answers a page makes its figures itself.
FEW: Final = 2_000
CUTOFFS, AGAINST = "cutoffs", "against"
# A message may be lost: then the next look asks again.
AGAIN: Final = timedelta(minutes=2)
# The task that makes one. By name: the task's module is above this one.
MAKE: Final = "models_registry.summarise"


def of_class(place: int) -> str:
    """The name of what every cut-off gives for one class of the version."""
    return f"{CUTOFFS} {place}"


def against(other: Evaluation) -> str:
    """The name of the comparison with another version's reading."""
    return f"{AGAINST} {other.pk}"


def found(evaluation: Evaluation, name: str, answers: int) -> Any:
    """What is kept under this name of so many answers. None where it is not made yet: then a worker is asked to."""
    late = ExpressionWrapper(Q(asked_at__lt=ago(AGAIN)), output_field=BooleanField())
    row: Any = AnswerSummary.objects.filter(evaluation=evaluation, name=name).annotate(late=late).first()
    if row is not None and row.value is not None and row.answers == answers:
        return row.value
    if row is None or row.late:
        ask(evaluation, name)
    return None


@done_again
def ask(evaluation: Evaluation, name: str) -> None:
    row, _made = AnswerSummary.objects.update_or_create(evaluation=evaluation, name=name, defaults={"asked_at": Now()})
    work.send_named(MAKE, row.pk)


def forget(evaluations: Collection[int]) -> None:
    """Those of these readings, of which a scan is erased: some name scans."""
    names = [f"{AGAINST} {pk}" for pk in evaluations]
    AnswerSummary.objects.filter(Q(evaluation__in=evaluations) | Q(name__in=names)).delete()


@done_again
def keep(pk: int, value: Any, answers: int) -> None:
    AnswerSummary.objects.filter(pk=pk).update(value=value, answers=answers)
