"""Whole numbers in addresses and parameters: never more digits than a database's integer holds."""

# More digits cannot be a 64-bit key, and would overflow some database's integer.
MAX_DIGITS = 18
# A key, or a count of bytes, in a pattern.
DIGITS = rf"\d{{1,{MAX_DIGITS}}}"


def whole_number(text: str) -> int | None:
    """The number that the text is, digits and nothing else; None for all other texts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None
