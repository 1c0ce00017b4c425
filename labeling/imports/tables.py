"""A labels file as a table: CSV, JSON or YAML, whatever its columns mean. Pure.

CSV is read row by row, and of each row only the columns that are asked for: whatever else the file holds takes no memory.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from labeling.imports import plain_yaml
from labeling.imports.cells import MAX_CELL, plain_text
from labeling.imports.encodings import NotText, decoded

MAX_BYTES: Final = 20 * 2**20
# A tree is held in memory whole, in objects of some 60 bytes for every three of the file.
MAX_TREE_BYTES: Final = 6 * 2**20
MAX_ROWS: Final = 200_000
# Around the rows, and in names of files.
MAX_BRACKETS_BESIDE_ROWS: Final = 50_000
DELIMITERS: Final = (",", ";", "\t", "|")
TEXTS: Final = (".csv", ".tsv", ".txt")
# Excel's own first line: which character divides the cells.
_SEP: Final = "sep="
_REMEDY: Final = "Keep the rows of the pictures that you send, or split the data set."
# Under this name come the cells of a row that has more of them than the first line.
BEYOND: Final = "\0beyond"


class ManifestError(Exception):
    """The labels file as a whole cannot be used."""


@dataclass(frozen=True)
class Table:
    """`header`: the columns as written. `guessed`: the encoding where the file does not say it. `records` gives the asked
    columns (lower case) of each row in order; values are text, empty for nothing."""

    name: str
    header: Sequence[str]
    guessed: str
    records: Callable[[Iterable[str]], Iterator[dict[str, str]]]


def read_table(name: str, data: bytes, words: Iterable[str] = ()) -> Table:
    """The table; its kind goes by the ending of the name. Raises ManifestError with the remedy, also while it is read."""
    kind = PurePosixPath(name.lower()).suffix
    flat = kind in TEXTS
    allowed = MAX_BYTES if flat else MAX_TREE_BYTES
    if len(data) > allowed:
        remedy = _REMEDY if flat else f"Send it as CSV. {_REMEDY}"
        raise ManifestError(f"The labels file is larger than {allowed // 2**20} MiB. {remedy}")
    try:
        text, guessed = decoded(data, words)
    except NotText as error:
        raise ManifestError(f"The labels file {error}") from error
    return _csv_table(name, text, guessed) if flat else _tree_table(name, _tree(kind, text), guessed)


def list_table(name: str, data: bytes, split: str) -> Table:
    """A text with the name of a picture in each line, all of which are on one side."""
    if len(data) > MAX_BYTES:
        raise ManifestError(f"The labels file is larger than {MAX_BYTES // 2**20} MiB. {_REMEDY}")
    try:
        text, guessed = decoded(data)
    except NotText as error:
        raise ManifestError(f"The labels file {error}") from error
    names = [line for line in map(str.strip, text.splitlines()) if line]
    require_few(len(names))
    rows = [{"image_id": name, "split": split} for name in names]
    return Table(name, ["image_id", "split"], guessed, lambda wanted: _tree_records(rows, list(wanted)))


def _csv_table(name: str, text: str, guessed: str) -> Table:
    _require_few_lines(text)
    source = io.StringIO(text, newline="")
    first = source.readline()
    said = first.rstrip("\r\n").strip("\"' ").lower()
    delimiter = said[len(_SEP) :] if said.startswith(_SEP) else ""
    start = len(first) if delimiter else 0
    source.seek(start)
    line = source.readline()
    delimiter = delimiter if len(delimiter) == 1 else max(DELIMITERS, key=line.count)
    source.seek(start)
    reader = csv.reader(source, delimiter=delimiter)
    header = [cell.strip() for cell in _checked(reader, name)]
    return Table(name, header, guessed, lambda wanted: _csv_records(reader, header, wanted))


def _checked(reader: Iterator[list[str]], name: str) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        raise ManifestError(f"The labels file {name} is not valid CSV: {error}.") from error


def _csv_records(reader: Iterator[list[str]], header: Sequence[str], wanted: Iterable[str]) -> Iterator[dict[str, str]]:
    places = _places([name.lower() for name in header], wanted)
    number = 0
    try:
        for cells in reader:
            if cells:
                number += 1
                require_few(number)
                record = {name: _cell(cells[at], number, name) for name, at in places.items() if at < len(cells)}
                if len(cells) > len(header) and any(map(str.strip, cells[len(header) :])):
                    record[BEYOND] = "more"
                yield record
    except csv.Error as error:
        raise ManifestError(f"The labels file is not valid CSV: {error}.") from error


def _places(names: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """The wanted columns and where they are."""
    places = {name: names.index(name) for name in wanted if name in names}
    if any(name in names[at + 1 :] for name, at in places.items()):
        raise ManifestError("The labels file names a column twice. Keep one of them.")
    return places


def _cell(value: Any, number: int, name: str) -> str:
    if isinstance(value, dict | list):
        raise ManifestError(f"Row {number} of the labels file: {name} must be one value.")
    text = plain_text(value)
    if len(text) > MAX_CELL:
        raise ManifestError(f"Row {number} of the labels file: {name} is longer than {MAX_CELL} characters.")
    return text


def require_few(number: int) -> None:
    if number > MAX_ROWS:
        raise ManifestError(f"The labels file has more than {MAX_ROWS} rows. {_REMEDY}")


def _require_few_lines(text: str) -> None:
    """Counted before they are read: that takes seconds. Within quotes a line is no row."""
    if text.count("\n") > MAX_ROWS and '"' not in text:
        require_few(sum(1 for line in text.split("\n") if line.strip()) - 1)


def _tree(kind: str, text: str) -> Any:
    try:
        return _json(text) if kind == ".json" else plain_yaml.load(text)
    except plain_yaml.TooMuch as error:
        raise ManifestError(f"The labels file {error}. Send it as CSV.") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ManifestError("The labels file is not valid JSON or YAML. Check it and send it again.") from error


def _json(text: str) -> Any:
    # Counted before they are made: a list for every three bytes costs seconds, and each row needs only one.
    require_few(text.count("{") + text.count("[") - MAX_BRACKETS_BESIDE_ROWS)
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _tree_table(name: str, tree: Any, guessed: str) -> Table:
    rows = _tree_rows(tree)
    require_few(len(rows))
    # In the order of their first appearance.
    header = list(dict.fromkeys(key for row in rows for key in row))
    return Table(name, header, guessed, lambda wanted: _tree_records(rows, list(wanted)))


def _tree_records(rows: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> Iterator[dict[str, str]]:
    for number, row in enumerate(rows, 1):
        yield {name: _cell(row[name], number, name) for name in wanted if name in row}


def _tree_rows(tree: Any) -> list[Mapping[str, Any]]:
    """A list of rows, or a mapping of image_id to a label or to a row; either may lie under `labels`."""
    if isinstance(tree, dict) and set(tree) == {"labels"} and isinstance(tree["labels"], dict | list):
        tree = tree["labels"]
    if isinstance(tree, dict):
        return [
            {**(_lower(row) if isinstance(row, dict) else {"label": row}), "image_id": key} for key, row in tree.items()
        ]
    if isinstance(tree, list) and all(isinstance(row, dict) for row in tree):
        return [_lower(row) for row in tree]
    raise ManifestError(
        "The labels file must be a list of rows with image_id and label, or a mapping of image_id to label."
    )


def _lower(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key).strip().lower(): value for key, value in row.items()}
