"""Read queries about imports and resumable uploads."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from labeling import policies
from labeling.models import Import, ImportFile, ResumableUpload, UploadPart
from mediscan_site.core.models import User

# The most that the answer for an import lists; the page of the import shows them all.
MAX_ERRORS = 1000


def _files(*outcomes: str) -> Coalesce:
    """How many files of an import ended this way. A subquery each: a joined count would scan the same rows repeatedly."""
    files = ImportFile.objects.filter(batch=OuterRef("pk"), outcome__in=outcomes).order_by()
    return Coalesce(Subquery(files.values("batch").annotate(number=Count("pk")).values("number")), 0)


def _held() -> Coalesce:
    """How many scans of an import wait for somebody who looks whether the picture shows who the patient is."""
    files = (
        ImportFile.objects.filter(batch=OuterRef("pk"), image__erased_at__isnull=True)
        .exclude(image__hold="")
        .order_by()
    )
    numbers = files.filter(image__isnull=False).values("batch").annotate(number=Count("image", distinct=True))
    return Coalesce(Subquery(numbers.values("number")), 0)


def imports(user: User | AnonymousUser) -> QuerySet[Import]:
    """The user's imports with `created`, `duplicates`, `rejected`, `warnings`, `passed_over`, `held` and `done` counted."""
    outcome = ImportFile.Outcome
    return (
        policies.visible_imports(user)
        .select_related("project", "created_by")
        .annotate(
            created=_files(outcome.CREATED),
            duplicates=_files(outcome.DUPLICATE),
            rejected=_files(outcome.REJECTED),
            warnings=_files(outcome.WARNING),
            passed_over=_files(outcome.PASSED_OVER),
            held=_held(),
            done=_files(outcome.CREATED, outcome.DUPLICATE, outcome.REJECTED),
        )
    )


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
    lines = ImportFile.objects.filter(batch=batch).exclude(code="")
    counted = lines.values("outcome", "code").annotate(number=Count("pk"), first=Min("pk")).order_by("-number", "code")
    firsts = ImportFile.objects.in_bulk([row["first"] for row in counted])
    return [{**row, "example": firsts[row["first"]]} for row in counted]
