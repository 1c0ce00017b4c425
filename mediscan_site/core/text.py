"""Text that people type: trimmed, in one Unicode form, without characters that cannot be seen."""

import math
import unicodedata
from collections.abc import Collection
from typing import Any

from mediscan_site.core.errors import Invalid

MAX_TEXT = 10_000


def _trimmed(value: Any, attr: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid(f"{attr} must be text.", attr=attr)
    return unicodedata.normalize("NFC", str(value)).strip()


def _limited(text: str, attr: str, max_length: int) -> str:
    if len(text) > max_length:
        raise Invalid(
            f"{attr} has {len(text)} characters; at most {max_length} are allowed.", attr=attr, code="max_length"
        )
    return text


def line(value: Any, *, attr: str, max_length: int, required: bool = False) -> str:
    """One line of text. Control characters, line breaks and direction marks are refused: they make names misleading."""
    text = _limited(_trimmed(value, attr), attr, max_length)
    if required and not text:
        raise Invalid(f"{attr} may not be empty.", attr=attr, code="blank")
    if not text.isprintable():
        raise Invalid(f"{attr} contains characters that cannot be shown. Type it again without them.", attr=attr)
    return text


def paragraphs(value: Any, *, attr: str) -> str:
    """Text that may have line breaks; NUL, other control characters and lone surrogates are refused."""
    text = _limited(_trimmed(value, attr).replace("\r\n", "\n"), attr, MAX_TEXT)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text if character not in "\n\t"):
        raise Invalid(f"{attr} contains control characters. Type it again without them.", attr=attr)
    return text


def file_name(value: str) -> str:
    """The last part of a path, made showable. It is only ever shown: stored objects have names of their own."""
    last = unicodedata.normalize("NFC", value.replace("\\", "/").rsplit("/", 1)[-1])
    shown = "".join(character if character.isprintable() else "_" for character in last).strip()
    return shown[-255:] or "scan"


def choice(value: Any, *, attr: str, choices: Collection[str]) -> str | None:
    """One of `choices`, or None for nothing given."""
    text = _trimmed(value, attr)
    if text and text not in choices:
        raise Invalid(f"{attr} must be one of: {', '.join(choices)}.", attr=attr, code="invalid_choice")
    return text or None


def number(value: Any) -> float:
    """The number that was given, NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def flag(value: Any, *, attr: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{attr} must be true or false.", attr=attr)
    return value
