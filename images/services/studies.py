"""Studies of scans that came in before they were kept: read from the stored DICOM files, whose UIDs tell which belong together."""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images import mixed_studies, policies, renditions
from images.facts import parse_facts
from images.models import Image, Project
from images.services.exams import exam_of
from mediscan_site.core import audit
from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import User
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject


def find_studies(*, actor: User, project: Project) -> Iterator[tuple[Image, bool]]:
    """Each DICOM scan without a study, and whether one was found now. Does nothing to the others, so it can be repeated."""
    policies.require(actor, "manage_project", project)
    last, found = 0, 0
    waiting = Image.objects.filter(project=project, image_format="DICOM", study=None, erased_at__isnull=True)
    while image := waiting.filter(pk__gt=last).select_related("blob").order_by("pk").first():
        last = image.pk
        done = _find(project, image)
        found += done
        yield image, done
    with transaction.atomic():
        audit.record("scan.studies", actor=actor, obj=project, project=project.pk, details={"found": found})


def _find(project: Project, image: Image) -> bool:
    if image.blob is None:
        return False
    try:
        told = renditions.identity(blobs.read(image.blob))
    except (DomainError, DamagedObject, FileNotFoundError):
        return False
    exam = exam_of(project, parse_facts({}), image.patient, told)
    return bool(exam["study"]) and _keep(image, exam)


@transaction.atomic
def _keep(image: Image, exam: dict[str, str | int | None]) -> bool:
    rows = Image.objects.filter(pk=image.pk, study=None, erased_at__isnull=True)
    if not rows.update(**exam, version=F("version") + 1, updated_at=timezone.now()):
        return False
    mixed_studies.note([image.pk])
    return True
