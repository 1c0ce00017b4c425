"""A file coming in: decoded, de-identified if it is DICOM, and all that is known about it combined. docs/privacy.md is the rule."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from images import renditions
from images.decoding import SNIFF_BYTES, Decoded, sniff
from images.decoding.ages import OLDER, OLDEST_KEPT
from images.decoding.deid.options import DeidOptions
from images.facts import parse_fact
from images.models import Project
from images.project_options import DEIDENTIFYING
from images.scan_facts import FACTS, METADATA_FIELDS, ScanFacts
from images.services.exams import Identified, belonging
from images.services.identities import project_secret
from mediscan_site.core.errors import Invalid

_FROM_TAGS = ("modality", *METADATA_FIELDS)


@dataclass(frozen=True)
class Incoming:
    """`stored`: the bytes to keep. `facts`: what the caller stated, completed by what the file says."""

    decoded: Decoded
    stored: bytes
    facts: ScanFacts


Told = dict[str, str | int | None]


def told_by(project: Project, data: bytes) -> Told:
    """What a DICOM file says of whose scan it is and of which study; nothing for others. Touches no database. Invalid (attr
    `file`) for one that cannot be read."""
    return renditions.identity(data, deid=_options(project)) if is_dicom(data) else {}


def identify(project: Project, data: bytes, facts: ScanFacts, told: Told | None = None) -> Identified:
    """Whose scan it is and of which study: what is stated, and what a DICOM file says (`told`, where it was asked already).
    Invalid (attr `file`) for one that cannot be read."""
    return belonging(project, facts, told_by(project, data) if told is None else told)


def decode(
    project: Project,
    data: bytes,
    facts: ScanFacts,
    patient: str | None,
    *,
    learning: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Incoming:
    """Decode in the pool; what the caller states overrides what a DICOM file says. Touches no database. `learning`: with the
    view for learning. `meanwhile` is done while a picture that is no DICOM file is decoded.

    Invalid (attr `file`) for a file without a picture."""
    if not is_dicom(data):
        return Incoming(renditions.decode(data, rendition=False, learning=learning, meanwhile=meanwhile), data, facts)
    decoded = renditions.decode(data, deid=_options(project, patient), rendition=False, learning=learning)
    return Incoming(decoded, decoded.stored, _joined(project, facts, decoded))


def _options(project: Project, patient: str | None = None) -> DeidOptions:
    return DeidOptions(
        secret=project_secret(project),
        patient_override=patient,
        **{name: getattr(project, name) for name in DEIDENTIFYING},
    )


def is_dicom(data: bytes) -> bool:
    return sniff(data[:SNIFF_BYTES]) == "DICOM"


def _joined(project: Project, facts: ScanFacts, decoded: Decoded) -> ScanFacts:
    """The stated facts, completed by those of the file that the project keeps."""
    from_tags = {name: _parsed(name, decoded.tags.get(name)) for name in _FROM_TAGS}
    from_tags["capture_date"] = _moved(from_tags["capture_date"], decoded.shift_days)
    if from_tags["age"] is not None and from_tags["age"] > OLDEST_KEPT:
        from_tags["age"] = float(OLDER)
    filled_in = [name for name in _FROM_TAGS if getattr(facts, name) in ("", None) and from_tags[name] is not None]
    if facts.pixel_spacing is not None:
        # Where the file's spacing holds says nothing about the one that was stated.
        filled_in = [name for name in filled_in if name != "pixel_spacing_at"]
    if not project.keep_patient_characteristics:
        filled_in = [name for name in filled_in if not FACTS[name].of_person]
    return replace(facts, **{name: from_tags[name] for name in filled_in})


def _parsed(name: str, value: Any) -> Any:
    """A value of a file in the form of ScanFacts; None for one that no form would accept either: the file itself still is."""
    try:
        return parse_fact(name, value)
    except Invalid:
        return None


def _moved(moment: datetime | None, days: int | None) -> datetime | None:
    return None if moment is None or days is None else moment + timedelta(days=days)
