"""Read queries about grade batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.db.models import Count, Min, OuterRef, QuerySet
from django.utils.translation import gettext as _

from images.models import Project
from images.policies import can
from mediscan_site.core import text
from mediscan_site.core.database import there_is
from mediscan_site.core.models import User
from mediscan_site.core.numbers import Numbers, numbered
from models_registry.batches.policies import visible_batches
from models_registry.models import Grade, GradeBatch, GradeBatchItem
from models_registry.selectors import IS_COVERED, deployed_model, with_covered, with_earlier

CHUNK: Final = 500
# Outcomes that tell what an answer is.
TELLING: Final = (GradeBatchItem.Outcome.ANSWERED, GradeBatchItem.Outcome.REFERRED)


def batches(user: Any) -> QuerySet[GradeBatch]:
    """The user's batches with how many scans of each ended how: `number_answered`, `number_referred` and so on."""
    rows = visible_batches(user).select_related("project", "model", "requested_by", "source_import")
    return numbered(rows, GradeBatchItem.objects.all(), _tell_numbers)


def _tell_numbers(rows: Sequence[GradeBatch], numbers: Mapping[int, Numbers]) -> None:
    for row in rows:
        for outcome in GradeBatchItem.Outcome.values:
            setattr(row, f"number_{outcome}", numbers.get(row.pk, {}).get(outcome, 0))


def reasons(batch: GradeBatch) -> list[dict[str, Any]]:
    """Why scans were left out or failed: outcome, code, number, and the sentence of one of them; most frequent first."""
    items = GradeBatchItem.objects.filter(batch=batch, code__gt="")
    counted = items.values("outcome", "code").annotate(number=Count("pk"), first=Min("pk")).order_by("-number", "code")
    firsts = GradeBatchItem.objects.in_bulk([row["first"] for row in counted])
    return [{**row, "detail": firsts[row["first"]].detail} for row in counted]


def results(batch: GradeBatch, outcome: str | None = None, *, shown_to: Any = None) -> QuerySet[GradeBatchItem]:
    """Every scan of the batch, or those that ended so, in its order. Erased ones are a number of the batch, not a line.
    `shown_to`: whose page it is, which does not sort covered answers by what they are. Invalid for an outcome that there is not."""
    rows = GradeBatchItem.objects.filter(batch=batch, image__erased_at__isnull=True).select_related("image")
    wanted = text.choice(outcome, attr="outcome", choices=GradeBatchItem.Outcome.values)
    if wanted in TELLING and shown_to is not None and batch.project.reveal_after_read:
        mine = with_covered(Grade.objects.filter(pk=OuterRef("grade"), blind=False), shown_to)
        rows = rows.filter(~there_is(mine.filter(IS_COVERED)))
    return rows.filter(outcome=wanted) if wanted else rows


def with_grades(items: list[GradeBatchItem], batch: GradeBatch, *, shown_to: Any = None) -> list[GradeBatchItem]:
    """The items with their grades and all that a line says about them: three queries, however many there are. `shown_to`: whose
    page it is, from whom answers may be covered."""
    grades = with_earlier(batch.project.grades.filter(batch_item__in=items)).select_related("prediction", "image")
    if shown_to is not None:
        grades = with_covered(grades, shown_to)
    found = {grade.pk: grade for grade in grades}
    for item in items:
        grade = found.get(item.grade_id or 0)
        if grade is not None:
            grade.model, grade.project, grade.image = batch.model, batch.project, item.image
            item.grade = grade
    return items


def in_chunks(batch: GradeBatch) -> Iterator[list[GradeBatchItem]]:
    """All results, some at a time: a batch may have more than fit into memory."""
    after = 0
    while items := list(results(batch).filter(pk__gt=after).order_by("pk")[:CHUNK]):
        after = items[-1].pk
        yield with_grades(items, batch)


def on_arrival(user: User, project: Project) -> str:
    """What a project with the rule says about it; nothing without the rule."""
    if not project.grade_on_arrival:
        return ""
    model = deployed_model(project)
    if model is None:
        return _("New scans shall be graded when they come in, but no model is deployed: none is graded until one is.")
    told = _("Each new scan is graded by %(model)s when it comes in.") % {"model": model.code}
    return (
        told
        if can(user, "grade_image", project)
        else f"{told} {_('Yours are not: you may not grade in this project.')}"
    )
