"""The project's rule that each new scan is graded when it comes in, by whichever door."""

from collections.abc import Sequence

from images.models import Image, Project
from images.policies import can
from images.services import on_arrival, on_release
from images.services.exams import Remark
from mediscan_site.core.models import User
from models_registry.batches import services
from models_registry.selectors import serving_key


@on_arrival
def grade_new(actor: User, project: Project, images: Sequence[Image]) -> Sequence[Remark]:
    """Queue the grading; the upload waits for nothing. Whoever may not grade is told that it was not done."""
    if not images or not project.grade_on_arrival:
        return ()
    model = serving_key(project)
    if model is None:
        return ()
    if not can(actor, "grade_image", project):
        return (
            Remark(
                "not_graded",
                f"Not graded on arrival: {actor.username} may not grade scans in this project (grade_image). "
                "Somebody who may can grade them from the list of scans.",
                of_all=True,
            ),
        )
    services.take_in(actor=actor, project=project, model=model, images=images)
    return ()


@on_release
def grade_released(actor: User, image: Image) -> None:
    """A scan that was held when it came in was left out then. In the name of who released it, else of who brought it in; of
    neither where neither may grade."""
    project = image.project
    model = serving_key(project) if project.grade_on_arrival else None
    asker = next((user for user in (actor, image.uploaded_by) if can(user, "grade_image", project)), None)
    if model is not None and asker is not None:
        services.take_in(actor=asker, project=project, model=model, images=[image], again=True)
