"""What takes the place of identifying values: made from the project's secret alone, so equal input gives equal output."""

import base64
import re
from datetime import date, timedelta
from typing import Final

from pydicom.uid import UID

from images.decoding.deid.keyed import keyed, keyed_uid

_SHIFT_MIN_DAYS: Final = 31
_SHIFT_RANGE_DAYS: Final = 1827
_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{0,6}(?:\.\d{1,6})?(?:[+-]\d{4})?)", re.ASCII)
_OLD_DATE: Final = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)
_TIME: Final = re.compile(r"\d{2}(?::?\d{2}){0,2}(?:\.\d{1,6})?", re.ASCII)


def new_uid(secret: bytes, uid: str) -> str:
    """The replacement of an instance's UID: `2.25.` and 128 keyed bits (PS3.5, B.2). The standard's own UIDs stay."""
    if not uid or UID(uid).name != uid:  # only the standard's own UIDs have a name
        return uid
    return keyed_uid(secret, uid)


def new_patient(secret: bytes, patient: str) -> str:
    """A pseudonym for a patient id, where the caller gives none."""
    return "P" + base64.b32encode(keyed(secret, "patient", patient.strip().casefold())[:10]).decode()


def shift_days(secret: bytes, patient: str) -> int:
    """By how many days the dates of a patient move: 31 to 1,857 days into the past, the same for all of their files."""
    number = int.from_bytes(keyed(secret, "dates", patient)[:8], "big")
    return -(_SHIFT_MIN_DAYS + number % _SHIFT_RANGE_DAYS)


def shifted(value: str, vr: str, days: int) -> str | None:
    """A DA or DT value moved by `days`; a TM as it is; None for anything else. '' stays ''."""
    text = value.strip(" \0")
    if not text:
        return ""
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    match = _OLD_DATE.fullmatch(text) or _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        moved = date(*(int(part) for part in match.groups()[:3])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    rest = match.group(4) if match.re is _DATE and vr == "DT" else ""
    return f"{moved:%Y%m%d}".rjust(8, "0") + rest


def label(secret: bytes, value: str) -> str:
    """A dummy for a label: 16 characters, equal for equal labels, as others may refer to it."""
    return base64.b32encode(keyed(secret, "label", value)[:10]).decode()


def dummy(vr: str) -> str | bytes | None:
    """A value that says nothing, for an element that may not be empty; None where its type has none."""
    return _DUMMIES.get(vr)


_DUMMIES: Final[dict[str, str | bytes]] = {
    "AE": "REMOVED", "AS": "000Y", "CS": "REMOVED", "DA": "19000101", "DT": "19000101000000", "LO": "REMOVED",
    "LT": "REMOVED", "OB": b"\0\0", "PN": "REMOVED", "SH": "REMOVED", "ST": "REMOVED", "TM": "000000",
    "UC": "REMOVED", "UR": "urn:removed", "UT": "REMOVED",
}  # fmt: skip
