"""One cell of a labels file: what is sure is read, what is not is left empty and named. An age, a date or a spacing that nobody
can read never costs the scan."""

import math
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

from images.facts import parse_fact
from images.scan_facts import FACTS
from images.services.scans import parse_external_id
from labeling.imports.splits import split_of
from mediscan_site.core.errors import Invalid
from mediscan_site.core.http.csv import unquoted

MAX_CELL: Final = 4000
MAX_SHOWN: Final = 40
UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
# What pandas, R, Excel and databases write for no value.
NOTHING: Final = frozenset(
    {"", "nan", "na", "n/a", "#n/a", "#na", "null", "<na>", "nat", "-nan", "1.#qnan", "1.#ind", "none"}
)
# Who a person is; what is wrong with such a cell is named without its text.
HIDDEN: Final = frozenset(
    {"external_id", *(fact.name for fact in FACTS.values() if fact.kind not in ("text", "number", "moment", "ordinal"))}
)
# DICOM's age string, PS3.5 table 6.2-1 (AS); the leading zeros are often lost.
_AGE: Final = re.compile(r"([0-9]{1,3})\s*([DWMY])", re.IGNORECASE)
_YEARS: Final = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_FLOAT: Final = re.compile(r"[0-9]+\.0")
_SHORTENED: Final = re.compile(r"[0-9][.,][0-9]+E\+?[0-9]+|[0-9]E\+[0-9]+", re.IGNORECASE)
_COMMA: Final = re.compile(r"-?[0-9]+,[0-9]+")
# DICOM's date, PS3.5 (DA).
_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def plain_text(value: object) -> str:
    """Text as a database stores it, in NFC, without the quote that our exports put before a formula."""
    if value is None:
        return ""
    # Splits, sexes and classes come again in each row: one text for all.
    text = sys.intern(str(value).strip())
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else UNPRINTABLE for char in text)
    return unquoted(text)


def is_nothing(text: str) -> bool:
    return text.casefold() in NOTHING


def readable(values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The cells that can be read, as `parse_facts` takes them, and a sentence for each that cannot. Empty ones are left out.

    `label` is not looked at: it depends on the project."""
    good: dict[str, str] = {}
    bad: list[str] = []
    for name, text in values.items():
        if name == "label" or is_nothing(text):
            continue
        try:
            good[name] = _read(name, text)
        except Invalid as error:
            bad.append(_named(name, text, error))
    return _one_patient(good, bad), bad


def _read(name: str, text: str) -> str:
    """The cell in the form that the site's own fields take. Invalid."""
    if name == "split":
        if (split := split_of(text)) is None:
            raise Invalid("split must be train, val or test.", attr="split")
        return split
    if name in HIDDEN:
        text = _whole_id(name, text)
    if name == "external_id":
        return parse_external_id(text) or ""
    fact = FACTS[name]
    form = _number(name, text) if fact.kind == "number" else _moment(text) if fact.kind == "moment" else text
    parse_fact(name, form)
    return form


def _whole_id(name: str, text: str) -> str:
    """An id as it was before a spreadsheet or pandas took it for a number: 12345.0 is 12345; 1.23457E+11 is lost, and would make
    one patient of many."""
    if _SHORTENED.fullmatch(text):
        raise Invalid("a spreadsheet shortened this number, so its last digits are lost.", attr=name)
    return text[:-2] if _FLOAT.fullmatch(text) else text


def _number(name: str, text: str) -> str:
    if name == "age" and (age := _AGE.fullmatch(text)):
        return f"{int(age[1]) * _YEARS[age[2].upper()]:.4g}"
    if name == "pixel_spacing":
        text = _one_spacing(text)
    return text.replace(",", ".") if _COMMA.fullmatch(text) else text


def _one_spacing(text: str) -> str:
    r"""Rows and columns in one cell, as DICOM (0.143\0.143) and Python ([0.143, 0.143]) write them, are one number if equal."""
    parts = [part.strip(" '\"") for part in re.split(r"[\\;|]|, ", text.strip("[]() "))]
    try:
        rows, columns = (float(part.replace(",", ".")) for part in parts)
    except ValueError:
        return text
    if not math.isclose(rows, columns, rel_tol=1e-3):
        raise Invalid("The pixels are not square, so no pixel spacing is kept.", attr="pixel_spacing")
    return f"{rows:g}"


def _moment(text: str) -> str:
    day = _DAY.fullmatch(text)
    return "-".join(day.groups()) if day else text


def _named(name: str, text: str, error: Invalid) -> str:
    """A sentence about a cell that is left empty."""
    shown = "" if name in HIDDEN else f" '{text[:MAX_SHOWN]}{'…' if len(text) > MAX_SHOWN else ''}'"
    return f"{name}{shown} is left empty: {error.detail}"


def _one_patient(good: dict[str, str], bad: list[str]) -> dict[str, str]:
    if good.get("pseudonym") and good.get("patient") not in (None, good["pseudonym"]):
        bad.append("patient is left empty: `patient` and `pseudonym` name different patients; the pseudonym is kept.")
        return {name: text for name, text in good.items() if name != "patient"}
    return good


def shown(values: Mapping[str, str]) -> dict[str, str]:
    """For a preview: whoever is named is not shown."""
    return dict(_shown(values))


def _shown(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in values.items():
        yield name, "(named)" if name in HIDDEN else text[:MAX_SHOWN]
