"""Two patients of a project turn out to be one person."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from images import policies
from images.facts import parse_fact
from images.models import Image, PatientMerge, Project
from images.services import identities
from images.services.naming import named_patient
from mediscan_site.core import audit
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User


def merge_patients(*, actor: User, project: Project, source: str, target: str) -> int:
    """All scans of `source` become scans of `target`, including those still to come. Returns how many there were.

    Either is a pseudonym, or, for whoever may re-identify, an id as it was sent.
    Nobody changes sides in data sets: where the two were on different ones,
    the next data set leaves out those that would leak (`labeling.datasets.splits`). Invalid: `does_not_exist`, `same_patient`."""
    policies.require(actor, "manage_project", project)
    old, new = (_known(actor, project, value, attr) for attr, value in (("source", source), ("target", target)))
    if old == new:
        raise Invalid("Source and target are the same patient.", attr="target", code="same_patient")
    try:
        with transaction.atomic():
            moved = _move(actor, project, old, new)
            details = {"source": old, "target": new, "scans": moved}
            audit.record("patient.merge", actor=actor, obj=project, project=project.pk, details=details)
    except IntegrityError as error:
        raise Conflict("This patient is being merged by somebody else right now. Look again.") from error
    return moved


def _known(actor: User, project: Project, value: str, attr: str) -> str:
    named = parse_fact("patient", value)
    patient = named_patient(actor, project, named, attr=attr) if named else None
    if not patient or not Image.objects.filter(project=project, patient=patient, erased_at__isnull=True).exists():
        raise Invalid(
            "No scan of this project is of this patient. Give the id as it was sent, or the pseudonym that the scan shows.",
            attr=attr,
            code="does_not_exist",
        )
    return patient


def _move(actor: User, project: Project, old: str, new: str) -> int:
    Project.objects.select_for_update().get(pk=project.pk)
    # No chains: what was merged into `old` now points to `new`, and `new` is merged into nothing.
    PatientMerge.objects.filter(project=project, source=new).delete()
    PatientMerge.objects.filter(project=project, target=old).update(target=new)
    PatientMerge.objects.create(project=project, source=old, target=new, merged_by=actor)
    scans = Image.objects.filter(project=project, patient=old, erased_at__isnull=True)
    # No study is of more patients than before, so `mixed_studies` has nothing to note.
    moved = scans.update(patient=new, version=F("version") + 1, updated_at=timezone.now())
    # The id behind the old pseudonym is that of the same person; one way back is enough, and is erased with the last scan.
    identities.forget_unused(project.pk, old)
    return moved
