"""What was understood of the labels files of a data set: what the preview shows and the import follows. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from images.services.meaning import LabelRefused
from labeling.imports import cells
from labeling.imports.merging import Stated

# Of a kind in each file; also how many columns and labels are listed.
MAX_PROBLEMS: Final = 200
FIRST: Final = 5


@dataclass(frozen=True)
class RowProblem:
    """A row, or a whole file (`number` 0), that is not used. `values`: what it says, for looking patients up; never shown."""

    file: str
    number: int
    image_id: str
    code: str
    detail: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColumnMeaning:
    """`meaning`: image, label, a class that the column marks (`class NV`), split, patient, age, …; empty: not used."""

    file: str
    name: str
    meaning: str


@dataclass(frozen=True)
class ClassCount:
    """A label as written, the class that it means (None: it is refused, `problem` says why) and how many rows say it."""

    written: str
    name: str | None
    rows: int
    problem: str = ""


@dataclass(frozen=True)
class Understanding:
    """`files`: tables that were used; `unused`: tables that were not, each with a line among the problems. `patients`: how many
    patients or groups are named. `first`: five rows as understood. `by_path`: what is said about each file."""

    dialect: str = ""
    says: str = "No labels file was found or understood."
    files: Sequence[str] = ()
    unused: Sequence[str] = ()
    columns: Sequence[ColumnMeaning] = ()
    classes: Sequence[ClassCount] = ()
    splits: Mapping[str, int] = field(default_factory=dict)
    patients: int = 0
    rows: int = 0
    first: Sequence[Mapping[str, str]] = ()
    problems: Sequence[RowProblem] = ()
    by_path: Mapping[str, Stated] = field(default_factory=dict)


def class_counts(counted: Counter[str], meanings: Mapping[str, str | LabelRefused]) -> list[ClassCount]:
    """The labels as written, the most frequent ones first."""
    return [_counted(label, rows, meanings[label]) for label, rows in counted.most_common(MAX_PROBLEMS)]


def summed(by_path: Mapping[str, Stated]) -> dict[str, Any]:
    """What is told of all files: splits, patients, the first ones."""
    return {
        "splits": Counter(stated.values["split"] for stated in by_path.values() if "split" in stated.values),
        "patients": len({patient for stated in by_path.values() if (patient := _patient(stated))}),
        "first": [_preview(path, stated) for path, stated in islice(by_path.items(), FIRST)],
        "by_path": by_path,
    }


class Problems:
    """At most MAX_PROBLEMS of a kind in each file; the rest is counted."""

    def __init__(self) -> None:
        self._kept: list[RowProblem] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, problem: RowProblem, values: Callable[[], Mapping[str, str]] | None = None) -> None:
        """`values`: of a problem that is kept, what its row says."""
        self._counts[problem.file, problem.code] += 1
        if self._counts[problem.file, problem.code] <= MAX_PROBLEMS:
            self._kept.append(replace(problem, values=values()) if values else problem)

    def listed(self) -> list[RowProblem]:
        """Those that were kept, and a line for the others of each kind."""
        more = [
            RowProblem(
                file, 0, "", code, f"{count - MAX_PROBLEMS} more rows of this file have the same problem ({code})."
            )
            for (file, code), count in self._counts.items()
            if count > MAX_PROBLEMS
        ]
        return [*self._kept, *more]


def _counted(label: str, rows: int, meaning: str | LabelRefused) -> ClassCount:
    if isinstance(meaning, LabelRefused):
        return ClassCount(label, None, rows, meaning.code)
    return ClassCount(label, meaning, rows)


def _patient(stated: Stated) -> str:
    return stated.values.get("pseudonym") or stated.values.get("patient", "")


def _preview(path: str, stated: Stated) -> dict[str, str]:
    label = stated.label or ("(refused)" if stated.refusal else "(none)")
    return {"path": path, "label": label, **cells.shown(stated.values)}
