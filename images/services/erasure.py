"""Erasing a scan for good. Later apps add what they keep of it through `on_erase`, so nothing of it can be forgotten."""

import contextlib
from collections.abc import Callable, Collection, Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from images import mixed_studies
from images.models import Deidentification, FrameChoice, Image, Metadata, MixedStudy, PatientMerge, Project, Rendition
from images.naming_index import forget_name
from images.scan_facts import FACTS
from images.services.naming import named_patient
from mediscan_site.core import audit, text
from mediscan_site.core.backup.hooks import after_restore
from mediscan_site.core.errors import Invalid, NotFound
from mediscan_site.core.http.idempotency import forget_answers
from mediscan_site.core.models import Blob, User
from mediscan_site.core.policies import require_admin
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.scrub import scrub

MAX_REASON = 500
Hook = Callable[[Image], Iterable[Blob]]
# Of a project, what names the patient (all pseudonyms that are this person); returns how much.
PatientHook = Callable[[Project, Collection[str]], int]
_hooks: list[Hook] = []
_patient_hooks: list[PatientHook] = []


def on_erase(hook: Hook) -> Hook:
    """Register (also as a decorator) what else is removed with a scan. Called inside the transaction of the erasure: it drops its
    own references and returns the objects to destroy. A hook that raises stops the erasure."""
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def on_erase_patient(hook: PatientHook) -> PatientHook:
    """Register what a later app keeps of a patient beside the scans. Called inside a transaction."""
    if hook not in _patient_hooks:
        _patient_hooks.append(hook)
    return hook


def delete_scan(*, actor: User, image: Image) -> None:
    """Destroy keys and bytes of the scan and everything made from it. A tombstone with its id and history stays."""
    require_admin(actor)
    _destroy(image, actor=actor)


def erase_patient(*, actor: User, project: Project, patient: str, reason: str) -> int:
    """Erase every scan of a patient, named by id or pseudonym, in this project; returns how many.

    Each scan is erased by itself: what a failure leaves behind is erased by the next call. Data sets that held them say so."""
    require_admin(actor)
    named = text.line(patient, attr="patient", max_length=FACTS["patient"].max_length, required=True)
    why = text.line(reason, attr="reason", max_length=MAX_REASON, required=True)
    patient = named_patient(actor, project, named)
    scans = Image.objects.filter(project=project, patient=patient, erased_at__isnull=True)
    doomed = list(scans.select_related("blob").order_by("pk"))
    with transaction.atomic():
        if not _forget_patient(project, patient) and not doomed:
            raise Invalid("The project has no scan of this patient.", attr="patient", code="does_not_exist")
        details = {"scans": len(doomed), "reason": why}
        audit.record("patient.erase", actor=actor, obj=project, project=project.pk, details=details)
    for image in doomed:
        with contextlib.suppress(NotFound):
            _destroy(image, actor=actor)
    return len(doomed)


def _forget_patient(project: Project, patient: str | None) -> int:
    """What names the patient beside the scans; returns how much there was."""
    if patient is None:
        return 0
    merged = PatientMerge.objects.filter(project=project, target=patient).values_list("source", flat=True)
    everyone = {patient, *merged}
    return sum(hook(project, everyone) for hook in _patient_hooks)


@after_restore
def delete_again() -> int:
    """A restored database knows scans that have since been erased; their keys are already gone. Erase all else it knows of them."""
    gone = Image.objects.filter(blob__erased_at__isnull=False, erased_at__isnull=True)
    doomed = list(gone.order_by("pk"))
    for image in doomed:
        _destroy(image, actor=None)
    return len(doomed)


def _destroy(image: Image, *, actor: User | None) -> None:
    with transaction.atomic():
        # Whoever makes a picture of the scan right now locks this row too: nothing of it appears after it is gone.
        Image.objects.select_for_update().get(pk=image.pk)
        doomed = [rendition.blob for rendition in Rendition.objects.filter(image=image).select_related("blob")]
        doomed += [image.blob] if image.blob is not None else []
        for hook in _hooks:
            doomed += hook(image)
        _forget_patient(image.project, image.patient)
        _bury(image)
        audit.record("scan.delete", actor=actor, obj=image, project=image.project_id, details={"objects": len(doomed)})
        blobs.erase_on_commit(doomed)
        transaction.on_commit(scrub, robust=True)


def _bury(image: Image) -> None:
    """Keep the row, drop everything that reveals its content or its patient."""
    now = timezone.now()
    forget_name(image)
    buried = Image.objects.filter(pk=image.pk, erased_at__isnull=True).update(
        blob=None,
        file_name="",
        notes=[],
        patient=None,
        study=None,
        series=None,
        instance=None,
        series_number=None,
        instance_number=None,
        external_id=None,
        received_sha256=None,
        sha256=None,
        phash="",
        use_for_training=False,
        version=F("version") + 1,
        updated_at=now,
        erased_at=now,
    )
    if not buried:
        raise NotFound("This scan was already erased.")
    mixed_studies.forget(MixedStudy.objects.filter(project=image.project_id, study=image.study or ""))
    Rendition.objects.filter(image=image).delete()
    FrameChoice.objects.filter(image=image).delete()
    Metadata.objects.filter(image=image).delete()
    Deidentification.objects.filter(image=image).delete()
    forget_answers(f'"{image.code}"')
