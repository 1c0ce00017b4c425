"""When a picture was taken, and how old its patient was then. Sources: PS3.5 section 6.2 (DA, TM, DT, AS), PS3.3 C.12.1.1.8."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from pydicom import Dataset

from images.decoding.dicom.elements import text
from images.scan_facts import FACTS, FIRST_RADIOGRAPH

_AGE: Final = re.compile(r"(\d{1,3})([DWMY])", re.ASCII)
_YEARS: Final = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_MAX_AGE: Final = FACTS["age"].high
# What de-identification writes where an age may not be empty; a child of that age is given in days, weeks or months.
_DUMMY_AGE: Final = "000Y"
_IN_MONTHS: Final = 24
_MOMENTS: Final = ("Acquisition", "Content", "Series", "Study")
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})", re.ASCII)
_FURTHEST: Final = timedelta(hours=14)
_NO_AGE: Final = "The age in the file (PatientAge) cannot be read, so it is not kept."


def moment(dataset: Dataset, groups: Dataset) -> date | None:
    """When the picture was taken: with the time of day where the file has one, in UTC where it names its zone.

    A date and time of one element may bring its own zone; else the file's holds. `groups`: the first frame's functional
    groups, flattened."""
    zone = text(dataset, "TimezoneOffsetFromUTC")
    wholes = [text(source, "AcquisitionDateTime") for source in (groups, dataset)]
    pairs = [(whole[:8], whole[8:], _offset(whole[8:]) or zone) for whole in wholes]
    pairs += [(text(dataset, f"{name}Date"), text(dataset, f"{name}Time"), zone) for name in _MOMENTS]
    for day_text, time_text, offset in pairs:
        if found := day(day_text):
            hour = _time(time_text)
            return _in_utc(datetime.combine(found, hour), offset) if hour else found
    return None


def day(words: str) -> date | None:
    """A DA value, also in the form of ACR-NEMA (2024.05.31); None for anything else and for what was before X-rays."""
    try:
        found = datetime.strptime(words.replace(".", "")[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
    return found if found.year >= FIRST_RADIOGRAPH else None


def age(dataset: Dataset, taken: date | None, notes: list[str]) -> float | None:
    """Years, as the file states them, else from the date of birth: below two years in whole months, below one in days."""
    stated = text(dataset, "PatientAge").upper()
    given = None if stated == _DUMMY_AGE else _AGE.fullmatch(stated)
    years = int(given[1]) * _YEARS[given[2]] if given else None
    if years is not None and years <= _MAX_AGE:
        return round(years, 2)
    born = day(text(dataset, "PatientBirthDate"))
    years = None if born is None or taken is None else _between(born, taken)
    if stated and years is None:
        notes.append(_NO_AGE)
    return years


def _between(born: date, taken: date) -> float | None:
    then = taken.date() if isinstance(taken, datetime) else taken
    months = 12 * (then.year - born.year) + then.month - born.month - (then.day < born.day)
    if then < born or months > 12 * _MAX_AGE:
        return None
    if months >= _IN_MONTHS:
        return float(months // 12)
    return round(months / 12 if months else (then - born).days * _YEARS["D"], 2)


def _time(words: str) -> time | None:
    digits = re.match(r"\d{2}(\d{2}(\d{2})?)?", words.replace(":", ""))
    if digits is None:
        return None
    padded = digits[0].ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), int(padded[4:]))
    except ValueError:
        return None


def _offset(words: str) -> str:
    """The zone at the end of a DT value; '' where it has none."""
    found = _OFFSET.search(words)
    return found[0] if found else ""


def _in_utc(found: datetime, offset: str) -> datetime:
    parts = _OFFSET.fullmatch(offset)
    if parts is None:  # most files name no zone
        return found
    ahead = timedelta(hours=int(parts[2]), minutes=int(parts[3])) * (-1 if parts[1] == "-" else 1)
    if abs(ahead) > _FURTHEST:
        return found
    return found.replace(tzinfo=timezone(ahead)).astimezone(UTC)
