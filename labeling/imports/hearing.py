"""Which rows of a labels file are about which pictures: read row by row, and only those that are about one are kept. Pure.

So the memory that a file takes is bounded by the pictures that came with it, not by the file: a whole public data set has
some hundred thousand rows, and often a part of its pictures is sent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from labeling.imports.matching import Members
from labeling.imports.statements import Reading, Statement
from labeling.imports.texts import ManifestError
from labeling.imports.understood import Problems, RowProblem

# Rows and the pictures that they are about, of all files together: a row may be about all pictures of a folder.
MAX_PAIRS: Final = 400_000
# Different texts of a column; a column with more holds no labels.
MAX_TEXTS: Final = 10_000


@dataclass
class Heard:
    """A file that was read. `kept`: its rows that are about pictures, with their paths. `written`: for each column that may be the
    label what its cells say, in how many rows; `marked`: the same of the classes that columns mark."""

    reading: Reading
    kept: list[tuple[Statement, Sequence[str]]] = field(default_factory=list)
    written: list[Counter[str]] = field(default_factory=list)
    marked: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    # Where a finding is asked for: the findings that the rows name.
    named: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=Problems)


@dataclass
class Room:
    """How many pairs there may still be."""

    pairs: int = MAX_PAIRS

    def take(self, number: int) -> None:
        self.pairs -= number
        if self.pairs < 0:
            raise ManifestError(
                "The rows of the labels files are about more files than can be kept apart. Split the data set."
            )


def hear(reading: Reading, members: Members, room: Room) -> Heard:
    """All rows of a table. ManifestError for a file that breaks off or is too large."""
    heard = Heard(reading, written=[Counter() for _ in reading.labels])
    for number, record in enumerate(reading.records(), 1):
        heard.rows = number
        _count(heard, record)
        found, problem = _found(members, reading, record)
        if problem:
            row = RowProblem(reading.table.name, number, record.get(reading.image, ""), *problem)
            heard.problems.add(row, partial(reading.values, record))
        else:
            room.take(len(found))
            heard.kept.append((reading.statement(number, record), found))
    if reading.finding and not reading.marks and not any(map(reading.finding.is_named, heard.named)):
        # A misspelt name would make every scan one without it.
        raise ManifestError(reading.finding.missing([name for name, _ in heard.named.most_common()]))
    return heard


def _count(heard: Heard, record: Mapping[str, str]) -> None:
    reading = heard.reading
    if reading.finding:
        for column in reading.labels:
            heard.named.update(
                reading.labels_of(record.get(column, ""))[:MAX_TEXTS] if len(heard.named) < MAX_TEXTS else ()
            )
    for texts, column in zip(heard.written, reading.labels, strict=True):
        for label in reading.split_labels(record.get(column, "")):
            if label in texts or len(texts) < MAX_TEXTS:
                texts[label] += 1
    heard.marked.update(reading.marked(record))


def _found(
    members: Members, reading: Reading, record: Mapping[str, str]
) -> tuple[Sequence[str], tuple[str, str] | None]:
    """The files that a row is about; a row without any is a problem: (code, detail)."""
    said = record.get(reading.image, "")
    if folder := reading.folder(record):
        found = members.in_folder(folder)
        return found, None if found else ("unknown_image", f"No file lies in a folder {folder}.")
    found = members.find(said)
    if len(found) != 1 and reading.dialect.top_folder:
        found = members.in_folder(said.split("/")[0]) or found
    return found, _problem(said, found)


def _problem(said: str, found: Sequence[str]) -> tuple[str, str] | None:
    if not said:
        return "missing_image_id", "This row names no scan. Fill in image_id."
    if not found:
        return "unknown_image", "No file of the data set has this path or name."
    if len(found) > 1:
        return "ambiguous_image", f"{len(found)} files have this name. Give the path instead."
    return None
