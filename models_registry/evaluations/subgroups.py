"""What divides the scans of a test split into subgroups: facts about them, as short words."""

from collections.abc import Sequence
from typing import Final

from images.models import Image, Metadata
from images.scan_facts import SUBGROUPS

# Upper ends of the age bands, in years: children, young and middle-aged adults; anyone older is in the last band.
AGE_BANDS: Final = ((18, "0 to 17"), (40, "18 to 39"), (65, "40 to 64"))
OLDEST: Final = "65 and older"
# DICOM's codes (PatientSex, Laterality) and the words that data sets write for them.
_WORDS: Final = {
    "sex": {"m": "male", "f": "female", "o": "other sex"},
    "laterality": {"l": "left", "r": "right", "b": "both", "u": "unpaired"},
}


def columns(scans: Sequence[Image]) -> dict[str, list[str]]:
    """By column the value of each scan, "" where it is not known. Load the scans with their `metadata`.

    Where a project does not keep a fact (its privacy settings), it is empty; such a column divides nothing."""
    facts = [getattr(scan, "metadata", None) for scan in scans]
    return {name: [_value(row, name) for row in facts] for name in SUBGROUPS}


def _value(facts: Metadata | None, name: str) -> str:
    if facts is None:
        return ""
    if name == "age":
        return age_band(facts.age)
    written = " ".join(str(getattr(facts, name)).split()).casefold()
    return _WORDS.get(name, {}).get(written, written)


def age_band(age: float | None) -> str:
    """The band of an age in years; "" where it is not known."""
    if age is None:
        return ""
    return next((name for end, name in AGE_BANDS if age < end), OLDEST)
