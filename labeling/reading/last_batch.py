"""What somebody did last with many scans of a page, kept in their session so that they can take it back."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpRequest

from images.models import Image, Project
from images.selectors import scans
from images.services.many import Done

GRID: Final = "grid"
REVIEWS: Final = "reviews"


def remember(request: HttpRequest, what: str, project: Project, results: Sequence[Done]) -> None:
    if versions := {str(result.image.pk): result.version for result in results if result.ok}:
        request.session[_key(what, project)] = versions


def last(request: HttpRequest, what: str, project: Project) -> tuple[list[Image], dict[int, int]]:
    """The scans that are still there, and the version that each was left at."""
    versions = {int(pk): int(version) for pk, version in _kept(request, what, project).items()}
    return list(scans(request.user).filter(project=project, pk__in=list(versions))), versions


def number(request: HttpRequest, what: str, project: Project) -> int:
    return len(_kept(request, what, project))


def forget(request: HttpRequest, what: str, project: Project) -> None:
    request.session.pop(_key(what, project), None)


def _kept(request: HttpRequest, what: str, project: Project) -> dict[str, Any]:
    return dict(request.session.get(_key(what, project), {}))


def _key(what: str, project: Project) -> str:
    return f"{what}:{project.pk}"
