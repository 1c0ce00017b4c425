"""The labels file of a data set: CSV, JSON or YAML with `image_id,label` and optional columns. Pure.

`image_id` is the path of a scan below the data set's top folder (or in the ZIP), else its file name when only one has it.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from images.scan_facts import EXAM_FIELDS, METADATA_FIELDS
from labeling.imports import plain_yaml
from labeling.imports.layout import Place, file_name
from mediscan_site.core.http.csv import unquoted

MAX_BYTES: Final = 20 * 2**20
# A tree is held in memory whole, in objects of some 60 bytes for every three of the file.
MAX_TREE_BYTES: Final = 6 * 2**20
MAX_ROWS: Final = 200_000
# Around the rows, and in names of files.
MAX_BRACKETS_BESIDE_ROWS: Final = 50_000
MAX_CELL: Final = 4000
# `pseudonym`: the patient as one of our exports names it; `patient` would be given a pseudonym of its own.
COLUMNS: Final = ("label", "split", "external_id", "pseudonym", "patient", *EXAM_FIELDS, "modality", *METADATA_FIELDS)
DELIMITERS: Final = (",", ";", "\t")
UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"


class ManifestError(Exception):
    """The labels file as a whole cannot be used."""


@dataclass(frozen=True)
class Row:
    """`values`: the columns of `COLUMNS` that are not empty. `number` counts data rows from 1."""

    number: int
    image_id: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RowProblem:
    number: int
    image_id: str
    code: str
    detail: str
    values: Mapping[str, str]


def parse(name: str, data: bytes) -> list[Row]:
    """The rows of a labels file; the type goes by its ending. Raises ManifestError with the remedy."""
    kind = PurePosixPath(name.lower()).suffix
    allowed = MAX_BYTES if kind == ".csv" else MAX_TREE_BYTES
    if len(data) > allowed:
        remedy = "Split the data set." if kind == ".csv" else "Send it as CSV, or split the data set."
        raise ManifestError(f"The labels file is larger than {allowed // 2**20} MiB. {remedy}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError("The labels file is not UTF-8 text. Save it again as UTF-8.") from error
    return list(_csv_rows(text) if kind == ".csv" else _tree_rows(_tree(kind, text)))


def _csv_rows(text: str) -> Iterator[Row]:
    """Row by row, and of each row only the known columns: whatever else the file holds takes no memory."""
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=header.count))
    try:
        places = _columns([name.strip().lower() for name in next(reader, [])])
        number = 0
        for cells in reader:
            if cells:
                number += 1
                _require_few(number)
                yield _row(number, {name: cells[at] for name, at in places.items() if at < len(cells)})
    except csv.Error as error:
        raise ManifestError(f"The labels file is not valid CSV: {error}.") from error


def _columns(names: Sequence[str]) -> dict[str, int]:
    """The known columns and where they are."""
    if "image_id" not in names or "label" not in names:
        raise ManifestError("The labels file needs the columns image_id and label in its first line.")
    places = {name: names.index(name) for name in ("image_id", *COLUMNS) if name in names}
    if any(name in names[at + 1 :] for name, at in places.items()):
        raise ManifestError("The labels file names a column twice. Keep one of them.")
    return places


def _require_few(number: int) -> None:
    if number > MAX_ROWS:
        raise ManifestError(f"The labels file has more than {MAX_ROWS} rows. Split the data set.")


def _tree_rows(tree: Any) -> Iterator[Row]:
    for number, record in enumerate(_tree_records(tree), 1):
        _require_few(number)
        yield _row(number, record)


def _tree(kind: str, text: str) -> Any:
    try:
        return _json(text) if kind == ".json" else plain_yaml.load(text)
    except plain_yaml.TooMuch as error:
        raise ManifestError(f"The labels file {error}. Send it as CSV.") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ManifestError("The labels file is not valid JSON or YAML. Check it and send it again.") from error


def _json(text: str) -> Any:
    # Counted before they are made: a list for every three bytes costs seconds, and each row needs only one.
    _require_few(text.count("{") + text.count("[") - MAX_BRACKETS_BESIDE_ROWS)
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _tree_records(tree: Any) -> list[Mapping[str, Any]]:
    """A list of rows, or a mapping of image_id to a label or to a row; either may lie under `labels`."""
    if isinstance(tree, dict) and set(tree) == {"labels"} and isinstance(tree["labels"], dict | list):
        tree = tree["labels"]
    if isinstance(tree, dict):
        return [
            {**(_lower(row) if isinstance(row, dict) else {"label": row}), "image_id": key} for key, row in tree.items()
        ]
    if isinstance(tree, list) and all(isinstance(row, dict) and "image_id" in _lower(row) for row in tree):
        return [_lower(row) for row in tree]
    raise ManifestError(
        "The labels file must be a list of rows with image_id and label, or a mapping of image_id to label."
    )


def _lower(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key).strip().lower(): value for key, value in row.items()}


def _row(number: int, record: Mapping[str, Any]) -> Row:
    values = {name: text for name in COLUMNS if (text := _text(record.get(name), number, name))}
    return Row(number, _text(record.get("image_id"), number, "image_id"), values)


def _text(value: Any, number: int, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise ManifestError(f"Row {number} of the labels file: {name} must be one value.")
    # Our own exports put a quote before what a spreadsheet would run.
    text = unquoted("".join(char if char.isprintable() else UNPRINTABLE for char in str(value).strip()))
    if len(text) > MAX_CELL:
        raise ManifestError(f"Row {number} of the labels file: {name} is longer than {MAX_CELL} characters.")
    return text


def match(rows: Iterable[Row], places: Sequence[Place]) -> tuple[dict[str, Row], list[RowProblem]]:
    """Path of a scan to its row, and the rows that belong to none or several, or contradict an earlier row."""
    exact = {place.path: place.path for place in places} | {place.inner: place.path for place in places}
    by_name: dict[str, list[str]] = defaultdict(list)
    for place in places:
        by_name[file_name(place.path)].append(place.path)
    rows_by_path: dict[str, Row] = {}
    problems: list[RowProblem] = []
    for row in rows:
        wanted = row.image_id.replace("\\", "/").removeprefix("./")
        paths = [exact[wanted]] if wanted in exact else by_name.get(wanted, [])
        problem = _problem(row, paths, rows_by_path)
        if problem:
            problems.append(RowProblem(row.number, row.image_id, *problem, row.values))
        else:
            rows_by_path.setdefault(paths[0], row)
    return rows_by_path, problems


def _problem(row: Row, paths: Sequence[str], found: Mapping[str, Row]) -> tuple[str, str] | None:
    if not row.image_id:
        return "missing_image_id", "This row names no scan. Fill in image_id."
    if not paths:
        return "unknown_image", "No file of the data set has this path or name."
    if len(paths) > 1:
        return "ambiguous_image", f"{len(paths)} files have this name. Give the path instead."
    earlier = found.get(paths[0])
    if earlier and earlier.values != row.values:
        return "contradictory_row", f"Row {earlier.number} says something else about this scan; that one was used."
    return None


def class_of(value: str, names: Sequence[str]) -> str | None:
    """The class a label means: its exact name, else its index in the project's order, from 0. None: neither."""
    if value in names:
        return value
    if value.isascii() and value.isdigit() and len(value) < 6 and int(value) < len(names):
        return names[int(value)]
    return None
