"""Asking the deployed model about a scan."""

from typing import BinaryIO

from django.db import transaction

from images.frames import require_chosen
from images.models import Image, Project
from images.policies import require
from images.services import ScanFacts, require_free
from labeling.imports.services import upload_scan
from mediscan_site.core import audit, shares, work
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from models_registry.models import Grade
from models_registry.selectors import serving_key


def require_deployed(project: Project) -> int:
    """The key of the version that serves this project; 409 `no_deployed_model` when none does."""
    model = serving_key(project)
    if model is None:
        raise Conflict(
            "This project has no deployed model. Train one and deploy it, then grade again.", code="no_deployed_model"
        )
    return model


def request_grade(*, actor: User, project: Project, image: Image) -> Grade:
    """A grade of this scan, queued. The version is pinned now: a later deployment does not change who answers."""
    require(actor, "grade_image", project)
    if image.project_id != project.pk or image.erased_at is not None:
        raise Invalid(f"There is no scan {image.code} in this project.", code="does_not_exist", attr="image")
    require_free(image)
    model = require_deployed(project)
    require_chosen(image, project)
    with transaction.atomic():
        grade = Grade(project=project, image=image, model_id=model, requested_by=actor)
        shares.take_turn(grade)
        grade.save(force_insert=True)
        details = {"image": image.pk, "model": model}
        audit.record("grade.request", actor=actor, obj=grade, project=project.pk, details=details)
        work.wake(grade)
    return grade


def grade_upload(
    *,
    actor: User,
    project: Project,
    source: BinaryIO,
    file_name: str,
    facts: ScanFacts,
    external_id: str | None = None,
) -> Grade:
    """Store a new scan and ask about it. Without a model to ask, nothing is stored."""
    require(actor, "grade_image", project)
    require_deployed(project)
    shares.require_room(Grade, actor)
    image, _ = upload_scan(
        actor=actor, project=project, source=source, file_name=file_name, facts=facts, external_id=external_id
    )
    # Not with it: what is held, or has frames to choose from, stays, and can be graded once somebody has seen to it.
    return request_grade(actor=actor, project=project, image=image)
