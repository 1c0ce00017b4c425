"""Studies whose scans are kept under several patients, although a study is of one (PS3.3 7.3.1): known without reading all scans.

Whoever stores or changes a scan's patient or study notes its study where it is of several (`note`). What is noted may be so no
longer: who asks looks at each study anew, and housekeeping forgets what is over. Of two that are stored in the same moment
neither may see the other: a worker looks through all scans every night (`check`)."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from django.db.models import F, Max, Min, OuterRef, QuerySet, Subquery

from images.models import Image, MixedStudy, Project
from mediscan_site.core import tidy
from mediscan_site.core.database import insert_all, there_is

# Columns of a scan: when one of them is written, `note` has to look.
COLUMNS: Final = frozenset({"patient", "study"})
BATCH: Final = 500

log = logging.getLogger(__name__)


def known(project: Project) -> list[str]:
    """The studies of a project that are of several patients now, among those that were noted."""
    return _studies(mixed(MixedStudy.objects.filter(project=project)))


def counted(project: Project | int) -> list[str]:
    """The same of all scans of the project, each of which is looked at: for what must not miss one, and for workers."""
    # Of an erased scan neither is kept. So an index has all that is asked for.
    scans = Image.objects.filter(project=project, study__isnull=False, patient__isnull=False).order_by()
    patients = scans.values("study").annotate(first=Min("patient"), last=Max("patient"))
    return _studies(patients.filter(first__lt=F("last")))


def _studies(rows: "QuerySet[Any, Any]") -> list[str]:
    return sorted(str(study) for study in rows.values_list("study", flat=True))


def mixed(rows: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
    """Of rows with a project and a study those whose study is of several patients now. An index is asked for the first and the last
    patient of each: of a study of ten thousand scans no more is read."""
    scans = Image.objects.filter(project=OuterRef("project"), study=OuterRef("study"), patient__isnull=False)
    first, last = (Subquery(scans.order_by(order).values("patient")[:1]) for order in ("patient", "-patient"))
    several: QuerySet[Any, Any] = rows.alias(first=first, last=last).filter(first__lt=F("last"))
    return several


def note(scans: Sequence[int]) -> None:
    """After patient or study of these scans (by key) was written, in the same transaction."""
    if not scans:
        return
    noted = MixedStudy.objects.filter(project=OuterRef("project"), study=OuterRef("study"))
    new = mixed(Image.objects.filter(pk__in=scans)).filter(~there_is(noted)).values_list("project", "study")
    insert_all([MixedStudy(project_id=pk, study=study) for pk, study in sorted(set(new))], ignore_conflicts=True)


def forget(noted: "QuerySet[MixedStudy]") -> None:
    """Remove those of these that are over. One that comes back in this very moment is found by `check`."""
    keys = set(noted.values_list("pk", flat=True))
    over = sorted(keys - set(mixed(noted).values_list("pk", flat=True))) if keys else []
    for start in range(0, len(over), BATCH):
        MixedStudy.objects.filter(pk__in=over[start : start + BATCH]).delete()


@tidy.register
def forget_corrected() -> None:
    """Studies that were corrected, and those whose patients were merged."""
    forget(MixedStudy.objects.all())


def check() -> int:
    """Note the studies that were missed; returns how many. For a worker: it reads all scans."""
    return sum(_check(pk) for pk in Project.objects.order_by("pk").values_list("pk", flat=True))


def _check(project: int) -> int:
    noted = MixedStudy.objects.filter(project=project).values_list("study", flat=True)
    missed = sorted(set(counted(project)) - set(noted))
    if missed:
        insert_all([MixedStudy(project_id=project, study=study) for study in missed], ignore_conflicts=True)
        log.warning(
            "Project %s has %d studies of several patients that were missed and are noted now", project, len(missed)
        )
    return len(missed)
