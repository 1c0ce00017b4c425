"""Values of single elements, whatever a file wrote: one line of text, numbers, codes. What cannot be read is said to be so."""

import math
import re
from typing import Any, Final

from pydicom import Dataset
from pydicom.multival import MultiValue

# A code extension that pydicom leaves in the text: it decodes ISO 2022 IR 58 but keeps the escape (PS3.3 C.12.1.1.2).
_CHINESE: Final = "\x1b$)A"
_ESCAPE: Final = re.compile(r"\x1b[ -/]+[0-~]")


class Unreadable(Exception):
    """An element is filled, and its value is not of the form that its type promises."""


def value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, None where it is absent or empty. Raises Unreadable."""
    if keyword not in dataset:
        return None
    try:
        found = dataset[keyword].value
    # A parser of hostile input may raise anything.
    except Exception as error:
        raise Unreadable(keyword) from error
    return None if found is None or (isinstance(found, str | bytes | MultiValue) and not found) else found


def text(dataset: Dataset, keyword: str) -> str:
    """One line without control characters; of several values the first. '' for what is absent or cannot be read."""
    try:
        found = value(dataset, keyword)
    except Unreadable:
        return ""
    first = found[0] if isinstance(found, MultiValue) else found
    plain = str("" if first is None else first).replace(_CHINESE, "")
    return " ".join("".join(char if char.isprintable() else " " for char in plain).split())


def binary(dataset: Dataset, keyword: str) -> bytes:
    """The bytes of an element; none where it is absent or cannot be read."""
    try:
        found = value(dataset, keyword)
    except Unreadable:
        return b""
    return found if isinstance(found, bytes) else b""


def in_foreign_letters(dataset: Dataset, keyword: str) -> bool:
    """Whether a text switches to a character set that the file does not name, so that its letters are a guess."""
    try:
        found = value(dataset, keyword)
    except Unreadable:
        return True
    return bool(_ESCAPE.search(str(found or "").replace(_CHINESE, "")))


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number; None where it is absent or empty. Raises Unreadable."""
    found = value(dataset, keyword)
    return None if found is None else _finite(found, keyword)


def pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two finite numbers; None where they are absent or empty. Raises Unreadable, also for one or three."""
    found = value(dataset, keyword)
    if found is None:
        return None
    if isinstance(found, str | bytes) or not hasattr(found, "__len__") or len(found) != 2:
        raise Unreadable(keyword)
    return _finite(found[0], keyword), _finite(found[1], keyword)


def whole(dataset: Dataset, keyword: str) -> int | None:
    """An integer of an IS element, within its range; None for anything else."""
    try:
        found = number(dataset, keyword)
    except Unreadable:
        return None
    return int(found) if found is not None and found.is_integer() and -(2**31) <= found < 2**31 else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent or cannot be read."""
    try:
        found = value(dataset, keyword)
    except Unreadable:
        return []
    return [item for item in found or () if isinstance(item, Dataset)] if not isinstance(found, str | bytes) else []


def _finite(found: Any, keyword: str) -> float:
    try:
        result = float(found)
    except (TypeError, ValueError) as error:
        raise Unreadable(keyword) from error
    if not math.isfinite(result):
        raise Unreadable(keyword)
    return result
