"""The rows of a labels file as statements about pictures, in the words of the file. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from images.services.meaning import Classes
from labeling.imports.cells import is_nothing
from labeling.imports.dialects.table import Dialect, path_facts
from labeling.imports.tables import BEYOND, ManifestError, Table

# Whoever wrote a mark: 1 yes, 0 no, -1 cannot tell (CheXpert), nothing: not mentioned.
_YES: Final = frozenset({"1", "1.0", "1,0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "0,0", "false", "no"})
_UNSURE: Final = frozenset({"-1", "-1.0", "-1,0"})
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(slots=True)
class Statement:
    """One row. `texts`: the label columns' cells, in the order of `Reading.labels`; `marked`: the classes that are marked, and
    `unsure` those that may be; `silent`: it could mark some and marks none. `folder`: the row is about all pictures in this folder.
    `beyond`: more cells than columns."""

    number: int
    image_id: str
    texts: Sequence[str] = ()
    marked: Sequence[str] = ()
    unsure: Sequence[str] = ()
    silent: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    beyond: bool = False


@dataclass
class Reading:
    """A table read by a dialect: `labels` are its columns that may be the label, `marks` those that mark classes."""

    table: Table
    dialect: Dialect
    classes: Classes
    labels: Sequence[str]
    marks: Mapping[str, str]
    meanings: Mapping[str, str]
    image: str
    statements: list[Statement] = field(default_factory=list)

    def split_labels(self, text: str) -> list[str]:
        """The labels in one cell."""
        if self.dialect.several == "bars":
            return [part.strip() for part in text.split("|") if part.strip()]
        if self.dialect.several == "list" and text.startswith("["):
            parts = [(one or other).strip() for one, other in _QUOTED.findall(text)]
            return list(dict.fromkeys(part for part in parts if part))
        return [] if is_nothing(text) and self.classes.named(text) is None else [text]


def read(table: Table, dialect: Dialect, classes: Classes) -> Reading:
    """All rows of the table. ManifestError for a file that breaks off or has no column for the picture."""
    present = {name.lower(): name for name in reversed(table.header)}
    image = next((name for name in dialect.image if name in present), "")
    study = dialect.study[0] if dialect.study and dialect.study[0] in present else ""
    if not image and not study:
        raise ManifestError(f"The labels file has no column that names the picture ({', '.join(dialect.image)}).")
    marks = _marks(dialect, present, classes)
    labels = [] if marks else [name for name in dialect.labels if name in present]
    meanings = {name: meaning for name, meaning in dialect.columns.items() if name in present}
    reading = Reading(table, dialect, classes, labels, marks, meanings, image or study)
    wanted = list(dict.fromkeys((*((image,) if image else (study,)), *labels, *marks, *meanings)))
    for number, record in enumerate(table.records(wanted), 1):
        reading.statements.append(_statement(reading, number, record, about_folder=not image))
    return reading


def _marks(dialect: Dialect, present: Mapping[str, str], classes: Classes) -> dict[str, str]:
    """Column to the class that it marks."""
    if dialect.marks != "classes":
        return {name: present[name] for name in dialect.marks if name in present}
    taken = {*dialect.image, *dialect.labels, *dialect.columns}
    named = {name: classes.named(written) for name, written in present.items() if name not in taken}
    return {name: label for name, label in named.items() if label is not None}


def _statement(reading: Reading, number: int, record: Mapping[str, str], *, about_folder: bool) -> Statement:
    dialect, said = reading.dialect, record.get(reading.image, "")
    values: dict[str, str] = {}
    for column, meaning in reading.meanings.items():
        text = record.get(column, "")
        if text and meaning not in values and not is_nothing(text):
            values[meaning] = text
    if dialect.from_path:
        values = {**path_facts(dialect, said), **values}
    marked = [label for column, label in reading.marks.items() if record.get(column, "").lower() in _YES]
    unsure = [label for column, label in reading.marks.items() if _unsure(record.get(column, ""))]
    return Statement(
        number,
        said,
        [record.get(column, "") for column in reading.labels],
        marked,
        unsure,
        bool(reading.marks) and not marked,
        values,
        f"{dialect.study[1]}{said}" if about_folder and dialect.study and said else "",
        BEYOND in record,
    )


def _unsure(text: str) -> bool:
    """Also what is neither a mark nor nothing."""
    low = text.lower()
    return low in _UNSURE or not (low in _YES or low in _NO or is_nothing(text))


def label_column(readings: Sequence[Reading], classes: Classes) -> dict[int, int]:
    """Which of the columns that may be the label is it, for each reading (by its place). ManifestError where it is not sure."""
    return {place: _column(reading, classes) for place, reading in enumerate(readings) if reading.labels}


def _column(reading: Reading, classes: Classes) -> int:
    if len(reading.labels) == 1:
        return 0
    written = [
        {label for said in reading.statements for label in reading.split_labels(said.texts[at])}
        for at in range(len(reading.labels))
    ]
    by_name = [at for at, labels in enumerate(written) if any(classes.named(label) for label in labels)]
    if len(by_name) == 1:
        return by_name[0]
    by_number = [at for at, labels in enumerate(written) if labels and _all_mean(labels, classes)]
    if not by_name and len(by_number) == 1:
        return by_number[0]
    if not by_name and not by_number:
        return 0
    names = " and ".join(reading.labels[at] for at in by_name or by_number)
    raise ManifestError(f"The columns {names} both hold classes of the project. Keep one, as image_id and label.")


def _all_mean(labels: set[str], classes: Classes) -> bool:
    return all(isinstance(meaning, str) for meaning in classes.meanings(labels).values())
