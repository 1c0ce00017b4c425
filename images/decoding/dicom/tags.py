"""What a DICOM file says about its scan, under the names that a labels file uses (keys of ScanFacts).

Nothing is changed here: the patient id and the date are as the file gives them. What is kept of it is decided by the
project's de-identification, which runs after this.
"""

import math
import re
from datetime import UTC, date, datetime, time
from typing import Final

from pydicom import Dataset
from pydicom.multival import MultiValue

from images.scan_facts import FACTS, FIRST_RADIOGRAPH, Fact

Tags = dict[str, str | float | None]

_AGE: Final = re.compile(r"(\d{1,3})([DWMY])")
_YEARS: Final = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_MAX_AGE: Final = FACTS["age"].high
_MAX_SPACING_MM: Final = FACTS["pixel_spacing"].high
_MOMENTS: Final = ("Acquisition", "Content", "Series", "Study")
_UNEQUAL: Final = "The pixels are not square, so no pixel spacing is kept."


def tags(dataset: Dataset, groups: Dataset, notes: list[str]) -> Tags:
    """The facts of a file. `groups` has the first frame's functional groups flattened (see pixels.settings)."""
    moment = _moment(dataset)
    texts: Tags = {fact.name: _said(dataset, fact) for fact in FACTS.values() if fact.keywords}
    return texts | {
        "patient": patient_id(dataset),
        "pixel_spacing": _spacing(dataset, groups, notes),
        "capture_date": moment.isoformat() if moment else None,
        "age": _age(dataset, moment),
    }


def patient_id(dataset: Dataset) -> str | None:
    """The raw id of the patient, at most as long as a form takes it."""
    return _said(dataset, FACTS["patient"]) or None


def _said(dataset: Dataset, fact: Fact) -> str:
    """The first of the fact's elements that is filled, at most as long as a form takes it."""
    for keywords in fact.keywords:
        if words := " ".join(filter(None, (_text(dataset, keyword) for keyword in keywords.split()))):
            return words[: fact.max_length]
    return ""


def _text(dataset: Dataset, keyword: str) -> str:
    """One line without control characters; of several values the first."""
    value = dataset.get(keyword)
    if value is None:
        return ""
    first = (value[0] if value else "") if isinstance(value, MultiValue) else value
    return " ".join("".join(char if char.isprintable() else " " for char in str(first)).split())


def _spacing(dataset: Dataset, groups: Dataset, notes: list[str]) -> float | None:
    """Millimetres from one pixel's centre to the next; at the detector where the file has no calibrated value."""
    for source, keyword in ((groups, "PixelSpacing"), (dataset, "PixelSpacing"), (dataset, "ImagerPixelSpacing")):
        value = source.get(keyword)
        if not value or len(value) != 2:
            continue
        row, column = float(value[0]), float(value[1])
        if not (0 < row <= _MAX_SPACING_MM and 0 < column <= _MAX_SPACING_MM):
            return None
        if math.isclose(row, column, rel_tol=1e-3):
            return row
        notes.append(_UNEQUAL)
        return None
    return None


def _moment(dataset: Dataset) -> date | None:
    """When the picture was taken: with the time of day where the file has one, in UTC where it names its zone."""
    whole = _text(dataset, "AcquisitionDateTime")
    pairs = [(whole[:8], whole[8:])] + [
        (_text(dataset, f"{name}Date"), _text(dataset, f"{name}Time")) for name in _MOMENTS
    ]
    for day_text, time_text in pairs:
        if day := _day(day_text):
            moment = _time(time_text)
            return _in_utc(datetime.combine(day, moment), dataset) if moment else day
    return None


def _day(text: str) -> date | None:
    try:
        day = datetime.strptime(text.replace(".", "")[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return day if day.year >= FIRST_RADIOGRAPH else None


def _time(text: str) -> time | None:
    digits = re.match(r"\d{2}(\d{2}(\d{2})?)?", text.replace(":", ""))
    if digits is None:
        return None
    padded = digits[0].ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), int(padded[4:]))
    except ValueError:
        return None


def _in_utc(moment: datetime, dataset: Dataset) -> datetime:
    offset = _text(dataset, "TimezoneOffsetFromUTC")
    try:
        return datetime.strptime(moment.isoformat() + offset, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except ValueError:  # most files name no zone
        return moment


def _age(dataset: Dataset, moment: date | None) -> float | None:
    if given := _AGE.fullmatch(_text(dataset, "PatientAge")):
        age = int(given[1]) * _YEARS[given[2]]
        return round(age, 2) if age <= _MAX_AGE else None
    born = _day(_text(dataset, "PatientBirthDate"))
    if born is None or moment is None:
        return None
    day = moment.date() if isinstance(moment, datetime) else moment
    age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return float(age) if 0 <= age <= _MAX_AGE else None
