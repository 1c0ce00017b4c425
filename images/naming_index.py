"""Finding scans by a part of their file name among millions.

Each run of letters and digits of a name is kept by all its ends (`chest`, `hest`, `est`, `st`), so that a part anywhere in it
begins one of them. An end is one number, its first ten characters at six bits each. Characters that are neither Latin letters
nor digits share the codes that are left: what is found may match, and whoever asks compares the names themselves."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from django.db.models import Count

from images.few import keys_of
from images.models import Image, NamePart
from mediscan_site.core.database import insert_all

LEAST: Final = 2
# Of a part with several runs so many are tried, the longest first.
MOST_RUNS: Final = 3
# Of the parts in one project.
ORDER: Final = ("code", "scan")
_LENGTH: Final = 10
_BITS: Final = 6
# A part of which every code is its own.
_EXACT: Final = re.compile(rf"[0-9A-Za-z]{{{LEAST},{_LENGTH}}}")
_RUN: Final = re.compile(r"[^\W_]+")
_PLAIN: Final = {letter: place for place, letter in enumerate("0123456789abcdefghijklmnopqrstuvwxyz", start=1)}
_OTHERS: Final = 2**_BITS - 1 - len(_PLAIN)


def parts_of(name: str) -> set[int]:
    """The codes of all ends, of two characters or more, of the runs in a name."""
    return {_code(run[start:]) for run in _RUN.findall(name) for start in range(max(1, len(run) - LEAST + 1))}


def bounds(part: str) -> tuple[int, int] | None:
    """The least and the greatest code of what can follow where a name has this part; None for a part that has no two letters
    or digits in a row, and for one with a letter that in the other case is two."""
    return next(iter(_bounds_of_runs(part)), None)


def _bounds_of_runs(part: str) -> list[tuple[int, int]]:
    """The same of each run of the part, the longest first."""
    if any(len(_small(letter)) > 1 for letter in part):
        return []
    runs = [found for found in _RUN.finditer(part) if len(found[0]) >= LEAST]
    return [_bounds(found[0], ends=found.end() < len(part)) for found in sorted(runs, key=lambda one: -len(one[0]))]


def _bounds(run: str, *, ends: bool) -> tuple[int, int]:
    """`ends`: in the name, too, the run is over here."""
    first = _code(run)
    free = 0 if ends else max(0, _LENGTH - len(run))
    return first, first + 2 ** (_BITS * free) - 1


def scans_named(projects: Sequence[int], part: str) -> list[int] | None:
    """The keys of few scans of these projects, among them all whose name has the part; None where it may be in many. One run of
    it that is rare will do."""
    # Of several projects an index has no such order.
    order = ORDER if len(projects) == 1 else ()
    for limits in _bounds_of_runs(part)[:MOST_RUNS]:
        keys = keys_of(NamePart.objects.filter(project__in=projects, code__range=limits), "scan", order)
        if keys is not None:
            return keys
    return None


def number_named(projects: Sequence[int], part: str, most: int) -> int:
    """How many scans have the part in their name, seen in the index alone; of more than `most` any number above that. 0 also
    where the index does not know: of several projects, of a part that is longer than an end, or not one run of plain letters and
    digits."""
    if len(projects) != 1 or not _EXACT.fullmatch(part):
        return 0
    parts = NamePart.objects.filter(project=projects[0], code__range=_bounds(part, ends=False)).order_by(*ORDER)
    # A name may have it twice. Not DISTINCT with a limit: PostgreSQL reads all that there are for it.
    some = parts.values("scan")[: 2 * (most + 1)].aggregate(scans=Count("scan", distinct=True))
    return int(some["scans"])


def index_names(scans: Iterable[Image]) -> None:
    """Have the names of new scans be found, inside the transaction that saves them."""
    insert_all(
        [
            NamePart(project_id=scan.project_id, code=code, scan=scan.pk)
            for scan in scans
            for code in sorted(parts_of(scan.file_name))
        ]
    )


def forget_name(scan: Image) -> None:
    """Before the name of a scan that is erased goes: no part of it stays."""
    codes = parts_of(scan.file_name)
    NamePart.objects.filter(project=scan.project_id, code__in=codes, scan=scan.pk).delete()


def _code(text: str) -> int:
    code = 0
    for letter in text[:_LENGTH].ljust(_LENGTH):
        code = (code << _BITS) + _place(letter)
    return code


def _place(letter: str) -> int:
    if letter == " ":
        return 0
    small = _small(letter)[0]
    return _PLAIN.get(small) or len(_PLAIN) + 1 + ord(small) % _OTHERS


def _small(letter: str) -> str:
    """The one form of all that some database takes for the same letter: most compare in lower case, PostgreSQL in upper case, which
    fewer letters have (both forms of the Greek s have one, and so have i with and without its dot)."""
    return letter.lower().upper().lower()
