"""What is known about a scan beside its pixels, as it arrives from a form, the API or a labels file."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from images.decoding.ages import OLDEST_BELIEVED
from images.models import Image, PatientMerge, Project
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid

MAX_PATIENT = 200
MAX_PIXEL_SPACING_MM = 100.0
FIRST_RADIOGRAPH = 1895
# As the key ring makes them. What looks so is no patient number of a hospital.
PSEUDONYM = re.compile(r"P[A-Z2-7]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFacts:
    """`patient` is the raw id (or already a pseudonym of the project); `pixel_spacing` millimetres; `age` years.

    `pseudonym`: the patient as an export names it, of this project or another one; it is kept as it is. Then there is no
    `patient`."""

    modality: str = ""
    patient: str | None = None
    pseudonym: str | None = None
    pixel_spacing: float | None = None
    institution: str = ""
    capture_date: datetime | None = None
    sex: str = ""
    age: float | None = None
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    device: str = ""


def _number(value: Any, *, attr: str, low: float, high: float, low_allowed: bool) -> float | None:
    """A finite number from `low` to `high`, or None for nothing given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (low <= number <= high) or (number == low and not low_allowed):
        least = "at least" if low_allowed else "more than"
        raise Invalid(f"{attr} must be a number, {least} {low:g} and at most {high:g}.", attr=attr)
    return number


def _moment(value: Any, *, attr: str) -> datetime | None:
    """An ISO 8601 date or date and time; without a zone it is UTC. Neither before X-rays nor in the future."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        moment = _read_moment(value)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.year < FIRST_RADIOGRAPH:
        raise Invalid(f"{attr} must be a date such as 2024-05-31 or 2024-05-31T14:30:00Z.", attr=attr)
    if moment > timezone.now() + timedelta(days=1):
        raise Invalid(f"{attr} lies in the future.", attr=attr)
    return moment


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = parse_datetime(value.strip()) or parse_date(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _patient(value: Any, *, attr: str) -> str | None:
    return text.line(value, attr=attr, max_length=MAX_PATIENT) or None


def _pseudonym(value: Any) -> str | None:
    """A pseudonym as an export wrote it. Anything else is refused: it would be kept as it is, and may name a patient."""
    found = text.line(value, attr="pseudonym", max_length=MAX_PATIENT)
    if found and not PSEUDONYM.fullmatch(found):
        raise Invalid(
            "This is no pseudonym of an export. Put patient ids of your own into `patient`.", attr="pseudonym"
        )
    return found or None


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "modality": partial(text.line, attr="modality", max_length=40),
    "patient": partial(_patient, attr="patient"),
    "pseudonym": _pseudonym,
    "pixel_spacing": partial(_number, attr="pixel_spacing", low=0.0, high=MAX_PIXEL_SPACING_MM, low_allowed=False),
    "institution": partial(text.line, attr="institution", max_length=200),
    "capture_date": partial(_moment, attr="capture_date"),
    "sex": partial(text.line, attr="sex", max_length=16),
    "age": partial(_number, attr="age", low=0.0, high=OLDEST_BELIEVED, low_allowed=True),
    "body_part": partial(text.line, attr="body_part", max_length=64),
    "view": partial(text.line, attr="view", max_length=32),
    "laterality": partial(text.line, attr="laterality", max_length=16),
    "device": partial(text.line, attr="device", max_length=120),
}
NOT_METADATA = ("modality", "patient", "pseudonym")
METADATA_FIELDS = tuple(field.name for field in fields(ScanFacts) if field.name not in NOT_METADATA)


def parse_fact(name: str, value: Any) -> Any:
    """One checked value of ScanFacts. Invalid names the field."""
    return _PARSERS[name](value)


def parse_facts(mapping: Mapping[str, Any]) -> ScanFacts:
    """The facts among the keys of `mapping`; other keys are not looked at. Invalid names the field that is wrong."""
    found = {name: parse_fact(name, mapping[name]) for name in _PARSERS if name in mapping}
    if found.get("pseudonym"):
        if found.get("patient") not in (None, found["pseudonym"]):
            raise Invalid("`patient` and `pseudonym` name different patients. Send one of them.", attr="pseudonym")
        found["patient"] = None
    return ScanFacts(**found)


def patient_of(project: Project, facts: ScanFacts) -> str | None:
    """The pseudonym under which the scan's patient is kept in this project."""
    return standing_for(project.pk, facts.pseudonym) if facts.pseudonym else pseudonym(project, facts.patient)


def pseudonym(project: Project, patient: str | None) -> str | None:
    """The project's keyed pseudonym of a patient id. What already is one (from an export of this project) stays."""
    if patient is None:
        return None
    if Image.objects.filter(project=project, patient=patient).exists():
        return patient
    # Also by an old pseudonym, of which no scan is left since it was merged into another one.
    made = keyed(project.pk, patient)
    merges = PatientMerge.objects.filter(project=project, source__in=[patient, made])
    merged = dict(merges.values_list("source", "target"))
    return merged.get(patient) or merged.get(made) or made


def standing_for(project_id: int, pseudonym: str) -> str:
    """The pseudonym that scans of this one are kept under: another one when the two patients were merged."""
    merged = PatientMerge.objects.filter(project=project_id, source=pseudonym).values_list("target", flat=True).first()
    return merged or pseudonym


def keyed(project_id: int, patient: str) -> str:
    """The pseudonym of a raw patient id in a project, whatever scans there are."""
    return str(settings.KEY_RING.pseudonym(patient, scope=str(project_id)))
