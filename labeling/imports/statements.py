"""The rows of a labels file as statements about pictures, in the words of the file. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from images.services.meaning import Classes
from labeling.imports.asked import Finding
from labeling.imports.cells import is_nothing
from labeling.imports.dialects.table import Dialect, path_facts
from labeling.imports.tables import BEYOND, Table
from labeling.imports.texts import ManifestError

# Whoever wrote a mark: 1 yes, 0 no, -1 cannot tell (CheXpert), nothing: not mentioned.
_YES: Final = frozenset({"1", "1.0", "1,0", "true", "yes"})
_NO: Final = frozenset({"0", "0.0", "0,0", "false", "no"})
_UNSURE: Final = frozenset({"-1", "-1.0", "-1,0"})
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(slots=True)
class Statement:
    """One row. `texts`: the label columns' cells, in the order of `Reading.labels`; `marked`: the classes that are marked, and
    `unsure` those that may be; `silent`: it could mark some and marks none. `beyond`: more cells than columns."""

    number: int
    texts: Sequence[str] = ()
    marked: Sequence[str] = ()
    unsure: Sequence[str] = ()
    silent: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    beyond: bool = False


@dataclass(frozen=True)
class Reading:
    """A table read by a dialect: `labels` are its columns that may be the label, `marks` those that mark classes, `image` the one
    that names the picture; where there is none, `study` names a folder of pictures."""

    table: Table
    dialect: Dialect
    classes: Classes
    labels: Sequence[str]
    marks: Mapping[str, str]
    meanings: Mapping[str, str]
    image: str
    about_folder: bool
    finding: Finding | None = None

    def records(self) -> Iterator[Mapping[str, str]]:
        """The columns that mean something, row by row. ManifestError for a file that breaks off."""
        return self.table.records(list(dict.fromkeys((self.image, *self.labels, *self.marks, *self.meanings))))

    def folder(self, record: Mapping[str, str]) -> str:
        """The folder of pictures that a row is about; empty where it is about one picture."""
        said = record.get(self.image, "")
        return f"{self.dialect.study[1]}{said}" if self.about_folder and self.dialect.study and said else ""

    def split_labels(self, text: str) -> list[str]:
        """The labels in one cell; where a finding is asked for, whether it is among them."""
        labels = self.labels_of(text)
        return [self.finding.answer(labels)] if self.finding and labels else labels

    def labels_of(self, text: str) -> list[str]:
        """The labels in one cell, as written."""
        if self.dialect.several == "bars":
            return [part.strip() for part in text.split("|") if part.strip()]
        if self.dialect.several == "list" and text.startswith("["):
            parts = [(one or other).strip() for one, other in _QUOTED.findall(text)]
            return list(dict.fromkeys(part for part in parts if part))
        return [] if is_nothing(text) and self.classes.named(text) is None else [text]

    def marked(self, record: Mapping[str, str]) -> list[str]:
        """The classes that a row marks; where a finding is asked for, the one that its mark means."""
        if self.finding:
            said = (record.get(column, "").lower() for column in self.marks)
            return [self.finding.marked(mark in _YES) for mark in said if mark in _YES or mark in _NO][:1]
        return [label for column, label in self.marks.items() if record.get(column, "").lower() in _YES]

    def values(self, record: Mapping[str, str]) -> dict[str, str]:
        """What a row says besides the label, by what its columns mean."""
        values: dict[str, str] = {}
        for column, meaning in self.meanings.items():
            text = record.get(column, "")
            if text and meaning not in values and not is_nothing(text):
                values[meaning] = text
        if self.dialect.from_path:
            values = {**path_facts(self.dialect, record.get(self.image, "")), **values}
        return values

    def statement(self, number: int, record: Mapping[str, str]) -> Statement:
        marked = self.marked(record)
        unsure = [label for column, label in self.marks.items() if _unsure(record.get(column, ""))]
        return Statement(
            number,
            [record.get(column, "") for column in self.labels],
            marked,
            unsure,
            bool(self.marks) and not marked,
            self.values(record),
            BEYOND in record,
        )


def read(table: Table, dialect: Dialect, classes: Classes, finding: Finding | None = None) -> Reading:
    """What the columns of a table mean. ManifestError for one without a column for the picture, or for the finding."""
    present = {name.lower(): name for name in reversed(table.header)}
    image = next((name for name in dialect.image if name in present), "")
    study = dialect.study[0] if dialect.study and dialect.study[0] in present else ""
    if not image and not study:
        raise ManifestError(f"The labels file has no column that names the picture ({', '.join(dialect.image)}).")
    marks = _marks(dialect, present, classes) if finding is None else _mark_of(finding, dialect, present)
    labels = [] if marks else [name for name in dialect.labels if name in present]
    meanings = {name: meaning for name, meaning in dialect.columns.items() if name in present}
    return Reading(table, dialect, classes, labels, marks, meanings, image or study, not image, finding)


def _marks(dialect: Dialect, present: Mapping[str, str], classes: Classes) -> dict[str, str]:
    """Column to the class that it marks."""
    if dialect.marks != "classes":
        return {name: present[name] for name in dialect.marks if name in present}
    taken = {*dialect.image, *dialect.labels, *dialect.columns}
    named = {name: classes.named(written) for name, written in present.items() if name not in taken}
    return {name: label for name, label in named.items() if label is not None}


def _mark_of(finding: Finding, dialect: Dialect, present: Mapping[str, str]) -> dict[str, str]:
    """The column of the finding, where the dialect has a column for each."""
    if not dialect.marks:
        return {}
    named = {column: finding.positive for column, written in present.items() if finding.is_named(written)}
    if not named and not any(column in present for column in dialect.labels):
        raise ManifestError(
            finding.missing([written for column, written in present.items() if column not in dialect.columns])
        )
    return named


def _unsure(text: str) -> bool:
    """Also what is neither a mark nor nothing."""
    low = text.lower()
    return low in _UNSURE or not (low in _YES or low in _NO or is_nothing(text))


def label_column(labels: Sequence[str], written: Sequence[Collection[str]], classes: Classes) -> int | None:
    """The place of the label among the columns `labels` of a table that may be it, which hold the texts `written`; None where
    there is none. ManifestError where it is not sure."""
    if len(labels) < 2:
        return 0 if labels else None
    by_name = [at for at, texts in enumerate(written) if any(classes.named(label) for label in texts)]
    if len(by_name) == 1:
        return by_name[0]
    by_number = [at for at, texts in enumerate(written) if texts and _all_mean(texts, classes)]
    if not by_name and len(by_number) == 1:
        return by_number[0]
    if not by_name and not by_number:
        return 0
    names = " and ".join(labels[at] for at in by_name or by_number)
    raise ManifestError(f"The columns {names} both hold classes of the project. Keep one, as image_id and label.")


def _all_mean(labels: Collection[str], classes: Classes) -> bool:
    return all(isinstance(meaning, str) for meaning in classes.meanings(labels).values())
