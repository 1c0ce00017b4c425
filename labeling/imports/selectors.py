"""Read queries about imports and resumable uploads."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Min, QuerySet

from images import few
from images.models import Image
from labeling import policies
from labeling.models import Import, ImportFile, ResumableUpload, UploadPart
from mediscan_site.core.models import User
from mediscan_site.core.numbers import Numbers, numbered

_OUTCOME = ImportFile.Outcome
_NAMED: Final = {
    "created": _OUTCOME.CREATED,
    "duplicates": _OUTCOME.DUPLICATE,
    "rejected": _OUTCOME.REJECTED,
    "warnings": _OUTCOME.WARNING,
    "passed_over": _OUTCOME.PASSED_OVER,
}
# The most that the answer for an import lists; the page of the import shows them all.
MAX_ERRORS = 1000


def imports(user: User | AnonymousUser) -> QuerySet[Import]:
    """The user's imports with `created`, `duplicates`, `rejected`, `warnings`, `passed_over`, `held` and `done` counted."""
    rows = policies.visible_imports(user).select_related("project", "created_by")
    return numbered(rows, ImportFile.objects.all(), _tell_numbers)


def _tell_numbers(rows: Sequence[Any], numbers: Mapping[int, Numbers]) -> None:
    held = _held(rows)
    for row in rows:
        found = numbers.get(row.pk, {})
        for name, outcome in _NAMED.items():
            setattr(row, name, found.get(outcome, 0))
        row.done = row.created + row.duplicates + row.rejected
        row.held = held.get(row.pk, 0)


def _held(rows: Sequence[Import]) -> dict[int, int]:
    """Of these imports, how many scans of each wait for somebody who looks whether the picture shows who the patient is. Asked of
    the scans of their projects that do, which are few; an import may have a hundred thousand files."""
    waiting = Image.objects.filter(project__in={row.project_id for row in rows}, hold__gt="", erased_at__isnull=True)
    # Found first: SQLite would begin at the files.
    keys = few.keys_of(waiting)
    waiting = waiting if keys is None else Image.objects.filter(pk__in=keys)
    theirs = waiting.filter(import_files__batch__in=[row.pk for row in rows]).order_by()
    counted = theirs.values_list("import_files__batch").annotate(number=Count("pk", distinct=True))
    return dict(counted) if rows else {}


def remarkable(batch: Import) -> QuerySet[ImportFile]:
    """All but what came in and what was passed over, in order of appearance."""
    plain = {ImportFile.Outcome.CREATED, ImportFile.Outcome.PASSED_OVER}
    others = [outcome for outcome in ImportFile.Outcome if outcome not in plain]
    rows = ImportFile.objects.filter(batch=batch).order_by("id")
    # Few are found by their outcome and then put in order; many are soon met in their order.
    keys = few.keys_of(rows.filter(outcome__in=others)) if _are_few(batch, others) else None
    return rows.exclude(outcome__in=plain) if keys is None else rows.filter(pk__in=keys)


def _are_few(batch: Import, outcomes: Sequence[str]) -> bool:
    """Whether the kept numbers say so; an import that has not ended has none."""
    return bool(batch.numbers) and sum(batch.numbers.get(outcome, 0) for outcome in outcomes) <= few.FEW


def import_errors(batch: Import) -> QuerySet[ImportFile]:
    """What a person should look at: refused files and rows, and conflicts, in order of appearance."""
    wanted = (ImportFile.Outcome.REJECTED, ImportFile.Outcome.WARNING)
    return ImportFile.objects.filter(batch=batch, outcome__in=wanted).order_by("id")


def uploads(user: User | AnonymousUser) -> QuerySet[ResumableUpload]:
    return policies.visible_uploads(user).select_related("project", "created_by", "batch")


def upload_parts(upload: ResumableUpload) -> QuerySet[UploadPart]:
    return UploadPart.objects.filter(upload=upload).select_related("blob").order_by("offset")


def import_files(batch: Import) -> QuerySet[ImportFile]:
    """Every line of the report, in order of appearance."""
    return ImportFile.objects.filter(batch=batch).select_related("image").order_by("id")


def reasons(batch: Import) -> list[dict[str, Any]]:
    """What became of files, counted by outcome and reason, with the first path and its sentence: most frequent first. What came
    in is left out."""
    lines = ImportFile.objects.filter(batch=batch, code__gt="")
    counted = lines.values("outcome", "code").annotate(number=Count("pk"), first=Min("pk")).order_by("-number", "code")
    firsts = ImportFile.objects.in_bulk([row["first"] for row in counted])
    return [{**row, "example": firsts[row["first"]]} for row in counted]
