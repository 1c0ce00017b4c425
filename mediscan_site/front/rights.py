"""What the viewer may do, for a page that shows it in several places."""

from typing import Any

from images.models import Project
from images.policies import permissions


def held(user: Any, project: Project) -> frozenset[str]:
    """What the viewer may do in the project: asked once for a page, which shows it in its navigation and by its buttons."""
    known: dict[int, frozenset[str]] = getattr(user, "rights_shown", {})
    if project.pk not in known:
        user.rights_shown = known | {project.pk: permissions(user, project)}
    return user.rights_shown[project.pk]  # type: ignore[no-any-return]
