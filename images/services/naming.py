"""Which patient somebody means. By pseudonym everybody may ask; by patient number only whoever may look up the patient behind a
pseudonym (`reidentify`), since who may try numbers learns whose scans these are. Each such question is an audit event."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from images import policies
from images.facts import PSEUDONYM, keyed, standing_for
from images.models import Image, PatientIdentity, PatientMerge, Project
from mediscan_site.core import audit, limits
from mediscan_site.core.errors import Forbidden, Invalid, TooMany
from mediscan_site.core.models import User

HOUR: Final = timedelta(hours=1)
NUMBERS_PER_HOUR: Final = 100


_SEVERAL: Final = (
    "Several patients have this number, each from another issuer: {}. Give one of these pseudonyms, or the number with its "
    "issuer (4711^^^ISSUER)."
)


class PseudonymOnly(Forbidden):
    """The same for every value that is no pseudonym, whether there is such a patient or not: nothing was looked for."""

    default_code = "pseudonym_only"

    def __init__(self, attr: str) -> None:
        super().__init__(
            "Name a patient by the pseudonym that the scan shows (P and 16 characters). Patient numbers may be used by "
            "members with the right to look up patients (reidentify); an administrator grants it.",
            attr=attr,
        )


def named_patient(actor: User, project: Project, value: str, *, attr: str = "patient") -> str:
    """The pseudonym under which the project keeps the patient that is named, whether it has scans or not."""
    wanted, may = value.strip(), policies.can(actor, "reidentify", project)
    if PSEUDONYM.fullmatch(wanted):
        standing = standing_for(project.pk, wanted)
        if not may or _of_these([project.pk], [standing]):
            return standing
    elif not may:
        raise PseudonymOnly(attr)
    made = keyed(project.pk, wanted)
    meant = [made, *issued([project.pk], [made])]
    _note(actor, [project.pk], meant)
    kept_under = [standing_for(project.pk, pseudonym) for pseudonym in meant]
    present = sorted({patient for _, patient in _of_these([project.pk], kept_under)})
    if len(present) > 1:
        raise Invalid(_SEVERAL.format(", ".join(present)), attr=attr, code="ambiguous_patient")
    return present[0] if present else kept_under[0]


def find_patients(actor: User, value: str, projects: QuerySet[Project]) -> list[str]:
    """The pseudonyms that a search for `value` means in these projects; also those that they were merged into."""
    wanted = value.strip()
    if not wanted:
        return []
    if PSEUDONYM.fullmatch(wanted):
        return [wanted, *_merged(projects.values_list("pk", flat=True), [wanted])]
    asked = list(policies.allowing(actor, "reidentify", projects).values_list("pk", flat=True))
    if not asked and not actor.is_admin:
        raise PseudonymOnly("patient")
    made = [keyed(project, wanted) for project in asked]
    made += issued(asked, made)
    _note(actor, asked, made)
    return [*made, *_merged(asked, made)]


def limit_numbers(actor: User, project: Project, value: str) -> None:
    """A changed patient is shown as its pseudonym, so that changes of one scan could be used to try numbers. TooMany beyond
    what people type in an hour."""
    if PSEUDONYM.fullmatch(value.strip()) or policies.can(actor, "reidentify", project):
        return
    if not limits.spend("patient number", str(actor.pk), limit=NUMBERS_PER_HOUR, within=HOUR):
        raise TooMany(
            f"You have entered {NUMBERS_PER_HOUR} patient numbers within an hour. Go on in an hour, enter pseudonyms, or ask an "
            "administrator for the right to look up patients (reidentify), which has no such limit.",
            code="too_often",
            attr="patient",
            retry_after=int(HOUR.total_seconds()),
        )


def issued(projects: Iterable[int], numbers: Iterable[str]) -> list[str]:
    """The patients of these numbers whose id names who issued it."""
    rows = PatientIdentity.objects.filter(project__in=projects, number__in=numbers).order_by("pseudonym")
    return list(rows.values_list("pseudonym", flat=True))


def _merged(projects: Iterable[int], patients: Iterable[str]) -> list[str]:
    return list(PatientMerge.objects.filter(project__in=projects, source__in=patients).values_list("target", flat=True))


def _of_these(projects: Iterable[int], patients: Iterable[str]) -> list[tuple[int, str]]:
    """(project, pseudonym) of those that have scans."""
    rows = Image.objects.filter(project__in=projects, patient__in=patients, erased_at__isnull=True).order_by()
    return [(project, str(patient)) for project, patient in rows.values_list("project", "patient").distinct()]


def _note(actor: User, projects: list[int], made: list[str]) -> None:
    """One event per search, in the trail of the project; one per project where a search over several finds the patient."""
    found = _of_these(projects, [*made, *_merged(projects, made)])
    sole: tuple[int | None, str] = (projects[0], made[0]) if len(projects) == 1 else (None, "")
    with transaction.atomic():
        rows: list[tuple[int | None, str]] = [*found] if found else [sole]
        for project, patient in rows:
            details = {"pseudonym": patient, "found": bool(found)}
            audit.record("patient.search", actor=actor, project=project, details=details)
