"""What is known about a scan: parsed as it arrives from a form, the API or a labels file, and put into words for a page."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext, gettext_noop

from images.models import Image, Metadata, PatientMerge, Project
from images.scan_facts import FACTS, FIRST_RADIOGRAPH, ON_PAGES, Fact, ScanFacts
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid
from mediscan_site.core.storage import ring

# As the key ring makes them. What looks so is no patient number of a hospital.
PSEUDONYM = re.compile(r"P[A-Z2-7]{16}")
MAX_ORDINAL: Final = 2**31
# As HL7 version 2 writes a patient's number and who issued it (CX.1 and CX.4).
ISSUED_BY: Final = "^^^"
_SEX: Final = {"F": gettext_noop("female"), "M": gettext_noop("male"), "O": gettext_noop("other")}


def _text(value: Any, fact: Fact) -> str:
    if fact.choices:
        return text.choice(value, attr=fact.name, choices=fact.choices) or ""
    return text.line(value, attr=fact.name, max_length=fact.max_length)


def _number(value: Any, fact: Fact) -> float | None:
    """A finite number within the bounds of the fact, or None for nothing given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = text.number(value)
    if not (fact.low <= number <= fact.high) or (number == fact.low and not fact.low_allowed):
        least = "at least" if fact.low_allowed else "more than"
        raise Invalid(f"{fact.name} must be a number, {least} {fact.low:g} and at most {fact.high:g}.", attr=fact.name)
    return number


def _moment(value: Any, fact: Fact) -> datetime | None:
    """An ISO 8601 date or date and time; without a zone it is UTC. Neither before X-rays nor in the future."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        moment = _read_moment(value)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.year < FIRST_RADIOGRAPH:
        raise Invalid(f"{fact.name} must be a date such as 2024-05-31 or 2024-05-31T14:30:00Z.", attr=fact.name)
    if moment > timezone.now() + timedelta(days=1):
        raise Invalid(f"{fact.name} lies in the future.", attr=fact.name)
    return moment


def _read_moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = parse_datetime(value.strip()) or parse_date(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _named(value: Any, fact: Fact) -> str | None:
    return _text(value, fact) or None


def _ordinal(value: Any, fact: Fact) -> int | None:
    """A whole number, which may be negative (PS3.5, IS), or None for nothing given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = text.number(value)
    if not number.is_integer() or not -MAX_ORDINAL <= number < MAX_ORDINAL:
        raise Invalid(f"{fact.name} must be a whole number.", attr=fact.name)
    return int(number)


def _pseudonym(value: Any, fact: Fact) -> str | None:
    """A pseudonym as an export wrote it. Anything else is refused: it would be kept as it is, and may name a patient."""
    pseudonym_text = _text(value, fact)
    if pseudonym_text and not PSEUDONYM.fullmatch(pseudonym_text):
        raise Invalid("This is no pseudonym of an export. Put patient ids of your own into `patient`.", attr=fact.name)
    return pseudonym_text or None


_PARSERS: Final[dict[str, Callable[[Any, Fact], Any]]] = {
    "text": _text,
    "number": _number,
    "moment": _moment,
    "patient": _named,
    "pseudonym": _pseudonym,
    "identifier": _named,
    "ordinal": _ordinal,
}


def parse_fact(name: str, value: Any) -> Any:
    """One checked value of ScanFacts. Invalid names the field."""
    fact = FACTS[name]
    return _PARSERS[fact.kind](value, fact)


def parse_facts(mapping: Mapping[str, Any]) -> ScanFacts:
    """The facts among the keys of `mapping`; other keys are not looked at. Invalid names the field that is wrong."""
    values = {name: parse_fact(name, mapping[name]) for name in FACTS if name in mapping}
    if values.get("pseudonym"):
        if values.get("patient") not in (None, values["pseudonym"]):
            raise Invalid("`patient` and `pseudonym` name different patients. Send one of them.", attr="pseudonym")
        values["patient"] = None
    return ScanFacts(**values)


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
    return ring.current().pseudonym(patient, scope=str(project_id))


def said_pseudonym(project_id: int, values: Mapping[str, str]) -> str:
    """The pseudonym of the patient that a row of a labels file names, as it was made first; empty where it names none."""
    if PSEUDONYM.fullmatch(values.get("pseudonym", "")):
        return values["pseudonym"]
    named = values.get("patient", "").strip()
    return named if PSEUDONYM.fullmatch(named) or not named else keyed(project_id, named)


def lines(metadata: Metadata) -> dict[str, str]:
    """What is known, for a page: the titles in their order, and what is shown next to each."""
    shown: dict[str, list[str]] = {}
    for fact in ON_PAGES:
        value = getattr(metadata, fact.name)
        if value not in ("", None):
            shown.setdefault(fact.line or fact.label, []).append(_in_words(fact, value))
    return {title: ", ".join(words) for title, words in shown.items()}


def _in_words(fact: Fact, value: Any) -> str:
    if fact.kind == "moment":
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
    if fact.kind == "number":
        number = str(value) if fact.digits is None else floatformat(value, -fact.digits)
        return f"{number} {gettext(fact.unit.removesuffix('s') if value == 1 else fact.unit)}"
    return gettext(_SEX[value]) if fact.name == "sex" and value in _SEX else str(value)
