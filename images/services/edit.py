"""Changes to what is known about a scan. Its labels are changed in `labeling`."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from images import mixed_studies, policies
from images.facts import parse_fact, parse_facts, pseudonym
from images.models import Image, Metadata
from images.scan_facts import EXAM_FIELDS, METADATA_FIELDS
from images.services import identities
from images.services.exams import LEVELS, exam_of
from images.services.naming import limit_numbers
from images.services.scans import parse_external_id, parse_split, refuse_taken
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, NotFound, Stale
from mediscan_site.core.models import User


def update_scan(*, actor: User, image: Image, changes: dict[str, Any], expected_version: int | None = None) -> Image:
    """Change metadata, `modality`, `patient`, `study` and the like, `external_id`, `use_for_training` or `split`.

    Other keys are not looked at. Stale when the scan is no longer at `expected_version`; Conflict `split_locked` once a snapshot
    holds its split."""
    policies.require(actor, "upload_image", image.project)
    columns = _columns(image, changes)
    if columns.get("patient"):
        limit_numbers(actor, image.project, str(changes["patient"]))
    metadata = {name: parse_fact(name, changes[name]) for name in METADATA_FIELDS if name in changes}
    refuse_taken(image.project, columns.get("external_id"), besides=image.pk)
    if not columns and not metadata:
        return image
    try:
        with transaction.atomic():
            _write(image, columns, expected_version)
            if "patient" in columns:
                identities.remember(image.project_id, columns["patient"], parse_fact("patient", changes["patient"]))
                identities.forget_unused(image.project_id, image.patient)
            if mixed_studies.COLUMNS & columns.keys():
                mixed_studies.note([image.pk])
            if metadata:
                Metadata.objects.update_or_create(image=image, defaults=metadata)
            details = {"fields": sorted({*columns, *metadata})}
            audit.record("scan.update", actor=actor, obj=image, project=image.project_id, details=details)
    except IntegrityError:
        refuse_taken(image.project, columns.get("external_id"), besides=image.pk)
        raise
    return Image.objects.select_related("project", "metadata").get(pk=image.pk)


def _columns(image: Image, changes: dict[str, Any]) -> dict[str, Any]:
    """The checked values of the scan's own columns."""
    columns: dict[str, Any] = {}
    if "modality" in changes:
        columns["modality"] = parse_fact("modality", changes["modality"])
    if "patient" in changes:
        columns["patient"] = pseudonym(image.project, parse_fact("patient", changes["patient"]))
    if named := {name: changes[name] for name in EXAM_FIELDS if name in changes}:
        columns |= _exam(image, named, columns.get("patient", image.patient))
    if "external_id" in changes:
        columns["external_id"] = parse_external_id(changes["external_id"])
    if "use_for_training" in changes:
        columns["use_for_training"] = text.flag(changes["use_for_training"], attr="use_for_training")
    if "split" in changes and (split := parse_split(changes["split"])) != image.split:
        columns["split"] = split
    return columns


def _exam(image: Image, named: dict[str, Any], patient: str | None) -> dict[str, Any]:
    """The codes of study, series and instance that were named, each within what is above it, and the places."""
    above = {level: getattr(image, level) for level in LEVELS if level not in named}
    codes = exam_of(image.project, parse_facts(above | named), patient)
    return {name: codes[name] for name in named}


def _write(image: Image, columns: dict[str, Any], expected_version: int | None) -> None:
    """One conditional UPDATE, so that nobody's change is lost. Looks for the reason only when no row matched."""
    rows = Image.objects.filter(pk=image.pk, erased_at__isnull=True)
    if expected_version is not None:
        rows = rows.filter(version=expected_version)
    if "split" in columns:
        rows = rows.filter(split_locked=False)
    if rows.update(version=F("version") + 1, updated_at=timezone.now(), **columns):
        return
    current = Image.objects.filter(pk=image.pk, erased_at__isnull=True).first()
    if current is None:
        raise NotFound("This scan was erased.")
    if expected_version is not None and current.version != expected_version:
        raise Stale("The scan was changed meanwhile. Load it again and repeat your change.")
    raise Conflict(
        "The split of this scan is fixed by a data set and can no longer change.", code="split_locked", attr="split"
    )
