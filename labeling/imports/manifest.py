"""What the worker still asks by the old names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from images.services.meaning import Classes, LabelRefused
from labeling.imports.dialects import COLUMNS, choose
from labeling.imports.layout import Place
from labeling.imports.matching import Members
from labeling.imports.tables import MAX_BYTES, ManifestError, read_table

__all__ = ["MAX_BYTES", "ManifestError", "class_of", "match", "parse"]


@dataclass(frozen=True)
class Row:
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
    table = read_table(name, data)
    choose(table.header)
    return [
        Row(number, record.get("image_id", ""), {column: record[column] for column in COLUMNS if record.get(column)})
        for number, record in enumerate(table.records(["image_id", *COLUMNS]), 1)
    ]


def match(rows: Iterable[Row], places: Sequence[Place]) -> tuple[dict[str, Row], list[RowProblem]]:
    members = Members([place.path for place in places])
    found: dict[str, Row] = {}
    problems = []
    for row in rows:
        paths = members.find(row.image_id)
        code = "unknown_image" if not paths else "ambiguous_image" if len(paths) > 1 else ""
        if code:
            problems.append(RowProblem(row.number, row.image_id, code, "No single file has this name.", row.values))
        else:
            found.setdefault(paths[0], row)
    return found, problems


def class_of(value: str, names: Sequence[str]) -> str | None:
    try:
        return Classes(names).meaning(value)
    except LabelRefused:
        return None
