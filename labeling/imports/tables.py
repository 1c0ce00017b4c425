"""A labels file as a table: CSV, JSON or YAML, whatever its columns mean. Pure.

CSV is read row by row, and of each row only the columns that are asked for: whatever else the file holds takes no memory.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Final, TextIO

import yaml

from labeling.imports import plain_yaml
from labeling.imports.cells import MAX_CELL, plain_text
from labeling.imports.texts import PACKED, REMEDY, ManifestError, Opener, Text, text_of

# Enough for the largest public sets (ISIC 2024: 401,059 rows, MIMIC-CXR-JPG: 377,110).
MAX_ROWS: Final = 1_000_000
MAX_LINE: Final = 4 * 2**20
# A tree is held in memory whole, in objects of some 60 bytes for every three of the file.
MAX_TREE_BYTES: Final = 6 * 2**20
# Around the rows, and in names of files.
MAX_BRACKETS_BESIDE_ROWS: Final = 50_000
DELIMITERS: Final = (",", ";", "\t", "|")
TEXTS: Final = (".csv", ".tsv", ".txt")
# Excel's own first line: which character divides the cells.
_SEP: Final = "sep="
_TOO_LONG: Final = f"A line of the labels file is longer than {MAX_LINE} characters. Check that it is a table."
# Under this name come the cells of a row that has more of them than the first line.
BEYOND: Final = "\0beyond"


@dataclass(frozen=True)
class Table:
    """`header`: the columns as written. `guessed`: the encoding where the file does not say it. `records` gives the asked
    columns (lower case) of each row in order; values are text, empty for nothing."""

    name: str
    header: Sequence[str]
    guessed: str
    records: Callable[[Iterable[str]], Iterator[dict[str, str]]]


def read_table(name: str, open_file: Opener, words: Iterable[str] = ()) -> Table:
    """The table; its kind goes by the ending of the name, before `.gz` if it is packed. Raises ManifestError with the remedy, also
    while it is read."""
    kind = kind_of(name)
    text = text_of(open_file, words, packed=name.lower().endswith(PACKED))
    if kind in TEXTS:
        return _csv_table(name, text)
    with text.open() as source:
        whole = source.read(MAX_TREE_BYTES + 1)
    if len(whole) > MAX_TREE_BYTES:
        raise ManifestError(
            f"The labels file is larger than {MAX_TREE_BYTES // 2**20} MiB. Send it as CSV, which is read row by row. {REMEDY}"
        )
    return _tree_table(name, _tree(kind, whole), text.guessed)


def kind_of(name: str) -> str:
    """The ending that says how a table is written."""
    return PurePosixPath(name.lower().removesuffix(PACKED)).suffix


def list_table(name: str, open_file: Opener, split: str) -> Table:
    """A text with the name of a picture in each line, all of which are on one side."""
    text = text_of(open_file)

    def records(_: Iterable[str]) -> Iterator[dict[str, str]]:
        with text.open() as source:
            names = (line.strip() for line in _lines(source))
            for number, line in enumerate((line for line in names if line), 1):
                require_few(number)
                yield {"image_id": _cell(line, number, "image_id"), "split": split}

    return Table(name, ["image_id", "split"], text.guessed, records)


def _csv_table(name: str, text: Text) -> Table:
    with text.open() as source:
        try:
            header = [cell.strip() for cell in next(_reader(source), [])]
        except csv.Error as error:
            raise ManifestError(f"The labels file {name} is not valid CSV: {error}.") from error
    return Table(name, header, text.guessed, lambda wanted: _csv_records(text, header, wanted))


def _reader(source: TextIO) -> Iterator[list[str]]:
    """The rows of a CSV, the one of names first."""
    lines = _lines(source)
    first = next(lines, "")
    said = first.rstrip("\r\n").strip("\"' ").lower()
    delimiter = said[len(_SEP) :] if said.startswith(_SEP) else ""
    if delimiter:
        first = next(lines, "")
    delimiter = delimiter if len(delimiter) == 1 else max(DELIMITERS, key=first.count)
    return csv.reader(chain([first], lines), delimiter=delimiter)


def _lines(source: TextIO) -> Iterator[str]:
    while line := source.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise ManifestError(_TOO_LONG)
        yield line


def _csv_records(text: Text, header: Sequence[str], wanted: Iterable[str]) -> Iterator[dict[str, str]]:
    places = _places([name.lower() for name in header], wanted)
    with text.open() as source:
        rows = _reader(source)
        try:
            next(rows, None)
            for number, cells in enumerate(filter(None, rows), 1):
                require_few(number)
                record = {
                    name: _cell(cells[at], number, name) for name, at in places.items() if at < len(cells) and cells[at]
                }
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
        raise ManifestError(f"The labels file has more than {MAX_ROWS} rows. {REMEDY}")


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
