"""What somebody did last with many scans of a page, kept in their session so that they can take it back."""

from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest

from images.models import Image, Project
from images.selectors import scans
from images.services.many import Done
from labeling.models import Lease

GRID: Final = "grid"
REVIEWS: Final = "reviews"
# Of whose work it is a batch.
TASKS: Final = {GRID: Lease.Task.LABEL, REVIEWS: Lease.Task.REVIEW}


def remember(request: HttpRequest, what: str, project: Project, results: Sequence[Done]) -> None:
    """Also when all were refused: what was done before that is not what was done last."""
    if versions := {str(result.image.pk): result.version for result in results if result.ok}:
        request.session[_key(what, project)] = versions
    else:
        forget(request, what, project)


def last(request: HttpRequest, what: str, project: Project) -> tuple[list[Image], dict[int, int]]:
    """The scans that are still there, and the version that each was left at."""
    versions = _kept(request, what, project)
    return list(scans(request.user).filter(project=project, pk__in=list(versions))), versions


def number(request: HttpRequest, what: str, project: Project) -> int:
    """How many can be taken back: scans of the project, which the user was found to see, that are there and as they were left."""
    if not (versions := _kept(request, what, project)):
        return 0
    there = Image.objects.filter(project=project, erased_at__isnull=True, pk__in=list(versions))
    return sum(versions[pk] == version for pk, version in there.values_list("pk", "version"))


def forget(request: HttpRequest, what: str, project: Project) -> None:
    request.session.pop(_key(what, project), None)


def _kept(request: HttpRequest, what: str, project: Project) -> dict[int, int]:
    kept = request.session.get(_key(what, project), {})
    return {int(pk): int(version) for pk, version in kept.items()}


def _key(what: str, project: Project) -> str:
    return f"{what}:{project.pk}"
