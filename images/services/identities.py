"""The crosswalk: the way back from a pseudonym to the patient id that came in. docs/privacy.md says who may take it."""

from django.db import transaction

from images import policies
from images.facts import ISSUED_BY, PSEUDONYM, keyed
from images.models import Image, PatientIdentity, Project
from images.services.erasure import on_erase
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage import ring, rotation
from mediscan_site.core.storage.keys import KeyRing

BATCH = 500
MAX_REASON = 500


def project_secret(project: Project) -> bytes:
    """What new UIDs and moved dates of the project are made from: 32 bytes, for as long as the keys file lives."""
    return ring.current().derived(f"de-identification of project {project.pk}")


def remember(project_id: int, pseudonym: str | None, patient: str | None) -> None:
    """Keep the id that a pseudonym was made from, sealed. The first spelling stays. Call inside the scan's transaction."""
    if not pseudonym or not patient or patient == pseudonym:
        return
    key_id, sealed = ring.current().seal(patient, context=_context(project_id, pseudonym))
    number, issuer, _ = patient.partition(ISSUED_BY)
    known = keyed(project_id, number) if issuer and number.strip() else ""
    row = PatientIdentity(project_id=project_id, pseudonym=pseudonym, number=known, key_id=key_id, sealed=sealed)
    # Two files of one patient may come in at once; the database keeps one row.
    PatientIdentity.objects.bulk_create([row], ignore_conflicts=True)


def forget_unused(project_id: int, pseudonym: str | None, *, besides: int | None = None) -> None:
    """Destroy the way back when no scan of the patient is left (`besides` one that is about to be erased). Inside a transaction."""
    row = PatientIdentity.objects.select_for_update().filter(project=project_id, pseudonym=pseudonym or "").first()
    if row is None:
        return
    left = Image.objects.filter(project=project_id, patient=pseudonym, erased_at__isnull=True).values_list(
        "pk", flat=True
    )
    if not set(left[:2]) - {besides}:
        row.delete()


@on_erase
def forget_with(image: Image) -> list[Blob]:
    """What erasing a scan does here."""
    forget_unused(image.project_id, image.patient, besides=image.pk)
    return []


def reidentify(*, actor: User, project: Project, pseudonym: str, reason: str) -> str:
    """The patient id behind a pseudonym. Each look is an audit event with its reason, without the id."""
    policies.require(actor, "reidentify", project)
    wanted = text.line(pseudonym, attr="pseudonym", max_length=64, required=True)
    why = text.line(reason, attr="reason", max_length=MAX_REASON, required=True)
    if not PSEUDONYM.fullmatch(wanted):
        # The trail keeps what was asked for: a number typed here by mistake must not get there.
        raise Invalid("This is no pseudonym. It is P and 16 characters, as the scan shows it.", attr="pseudonym")
    row = PatientIdentity.objects.filter(project=project, pseudonym=wanted).first()
    with transaction.atomic():
        details = {"pseudonym": wanted, "reason": why, "found": row is not None}
        audit.record("patient.reidentify", actor=actor, obj=project, project=project.pk, details=details)
    if row is None:
        raise Invalid(
            "The project knows no patient id behind this pseudonym. Check its spelling; a pseudonym that came in as one "
            "has no id here.",
            code="does_not_exist",
            attr="pseudonym",
        )
    return ring.current().unseal(bytes(row.sealed), key_id=row.key_id, context=_context(project.pk, wanted))


def _context(project_id: int, pseudonym: str) -> str:
    """Binds a sealed id to its row: a row copied over another one does not open."""
    return f"patient {project_id} {pseudonym}"


class Crosswalk:
    """What a rotation of the master key renews."""

    name = "patient identities"

    def reseal(self, keys: KeyRing) -> int:
        old = PatientIdentity.objects.exclude(key_id=keys.primary_id)
        count = 0
        while batch := list(old[:BATCH]):
            count += sum(_reseal(keys, row) for row in batch)
        return count

    def needing(self, key_id: str) -> int:
        return PatientIdentity.objects.filter(key_id=key_id).count()


def _reseal(keys: KeyRing, row: PatientIdentity) -> bool:
    context = _context(row.project_id, row.pseudonym)
    patient = keys.unseal(bytes(row.sealed), key_id=row.key_id, context=context)
    key_id, sealed = keys.seal(patient, context=context)
    return bool(PatientIdentity.objects.filter(pk=row.pk, key_id=row.key_id).update(key_id=key_id, sealed=sealed))


rotation.on_rotation(Crosswalk())
