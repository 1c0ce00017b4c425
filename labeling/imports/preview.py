"""What an import would do, before anything is stored: read from the ZIP's directory and its labels files, hardly more. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from labeling.imports import kinds
from labeling.imports.archive import EntryRefused
from labeling.imports.kinds import Kind
from labeling.imports.plan import Plan, Taken, Task
from labeling.imports.understanding import ColumnMeaning

EXAMPLES: Final = 3
ROWS: Final = 5
# Files whose names say nothing are looked into, up to so many; the names of the others have to do.
LOOKED_INTO: Final = 300
# Different problems that are listed; the last line counts the others.
MAX_GROUPS: Final = 40
# Sentences that differ in the number of a row are of one kind.
_NUMBER: Final = re.compile(r"[0-9]+")
FILE_SET: Final = (
    "DICOM files are taken from every folder, under any name; folders that are no class mean nothing for them."
)
REJECTED, WARNING = "rejected", "warning"


@dataclass
class Group:
    """Things of a kind: how many, and what some of them are called. `outcome`: rejected, or warning where the scan comes in."""

    code: str
    detail: str
    outcome: str = ""
    files: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str, number: int = 1) -> None:
        self.files += number
        if len(self.examples) < EXAMPLES:
            self.examples.append(name)


@dataclass(frozen=True)
class ClassFiles:
    """A class of the project, or a name that is none (`known` is false), and how many files or rows bear it."""

    name: str
    known: bool
    files: int


@dataclass(frozen=True)
class Preview:
    """`files`: how many of each kind. `rows`: the first of the labels file as understood, or of the files. `patients`: how many
    the labels files or the names tell apart; DICOM files name theirs themselves. `unlabeled`: scans that come in without a class.
    `splits`: scans of each side, `undecided` for those whose side is left to the data set."""

    dialect: str
    says: str
    code_page: str | None
    labels_files: Sequence[str]
    files: Mapping[str, int]
    columns: Sequence[ColumnMeaning]
    classes: Sequence[ClassFiles]
    unlabeled: int
    splits: Mapping[str, int]
    patients: int
    rows: Sequence[Mapping[str, str]]
    passed_over: Sequence[Group]
    problems: Sequence[Group]

    @property
    def scans(self) -> int:
        """How many files come in, as far as their names tell."""
        return self.files["pictures"] + self.files["dicom"]

    @property
    def table(self) -> list[list[str]]:
        """`rows` with a line of names above, each of the same length."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return [names, *([row.get(name, "") for name in names] for row in self.rows)] if names else []


class _Count:
    def __init__(self) -> None:
        self.files: Counter[str] = Counter(
            {"pictures": 0, "dicom": 0, "labels_files": 0, "passed_over": 0, "refused": 0}
        )
        self.labels: Counter[str | None] = Counter()
        self.splits: Counter[str] = Counter({"train": 0, "val": 0, "test": 0, "undecided": 0})
        self.passed: dict[Kind, Group] = {}
        self.problems: dict[tuple[str, str, str], Group] = {}
        self.rows: list[dict[str, str]] = []
        # That look like a class and are none.
        self.folders: Counter[str] = Counter()
        self._looked_into = 0

    def task(self, plan: Plan, task: Task) -> None:
        try:
            found = plan.settle(task, self._head(plan, task))
        except EntryRefused as refused:
            self.refused(task.path, refused.code, refused.detail)
            if refused.code == "unknown_class" and task.stated is None:
                self.folders[task.place.strange[-1]] += 1
            return
        if isinstance(found, Kind):
            self.files["passed_over"] += 1
            self.passed.setdefault(found, Group(found.name.lower(), str(found))).add(task.path)
        else:
            is_dicom = plan.is_file_set and not kinds.is_picture_name(task.path)
            self.taken(task, found, "dicom" if is_dicom else "pictures")

    def _head(self, plan: Plan, task: Task) -> bytes | None:
        says_nothing = kinds.beside(task.path) is None and not kinds.is_picture_name(task.path)
        if kinds.is_dicom_name(task.path) or not says_nothing or self._looked_into >= LOOKED_INTO:
            return None
        self._looked_into += 1
        return plan.source.head(task.entry, kinds.META_BYTES)

    def taken(self, task: Task, taken: Taken, kind: str) -> None:
        self.files[kind] += 1
        self.labels[taken.label] += 1
        self.splits[taken.split or "undecided"] += 1
        for code, detail in taken.notes:
            self.problem(code, detail, WARNING, code).add(task.path)
        if len(self.rows) < ROWS:
            self.rows.append({"path": task.path, "label": taken.label or "", "split": taken.split or ""})

    def refused(self, path: str, code: str, detail: str) -> None:
        self.files["refused"] += 1
        self.problem(code, detail, REJECTED, _NUMBER.sub("", detail)).add(path)

    def problem(self, code: str, detail: str, outcome: str, key: str) -> Group:
        if (code, outcome, key) not in self.problems and len(self.problems) >= MAX_GROUPS:
            code, detail, key = "more", "More problems of other kinds; the report of the import names them all.", ""
        return self.problems.setdefault((code, outcome, key), Group(code, detail, outcome))


def describe(plan: Plan) -> Preview:
    count, known = _Count(), plan.known
    for path, refusal in plan.refused:
        count.refused(path, refusal.code, refusal.detail)
    for problem in known.problems:
        where = f"row {problem.number}: {problem.image_id}" if problem.number else problem.file
        count.problem(problem.code, problem.detail, WARNING, _NUMBER.sub("", problem.detail)).add(where)
    for task in plan.tasks:
        count.task(plan, task)
    count.files["labels_files"] = len(known.files)
    return Preview(
        dialect=known.dialect,
        says=f"{known.says} {FILE_SET}" if plan.is_file_set else known.says,
        code_page=plan.code_page,
        labels_files=known.files,
        files=dict(count.files),
        columns=known.columns,
        classes=[*_classes(plan, count.labels), *_unknown(plan, count.folders)],
        unlabeled=count.labels[None],
        splits=dict(count.splits),
        patients=known.patients,
        rows=list(known.first) or count.rows,
        passed_over=list(count.passed.values()),
        problems=_worst_first(count.problems.values()),
    )


def _classes(plan: Plan, labels: Mapping[str | None, int]) -> Iterable[ClassFiles]:
    for name in plan.classes.names:
        if labels[name] or name in plan.classes.active:
            yield ClassFiles(name, known=True, files=labels[name])


def _unknown(plan: Plan, folders: Mapping[str, int]) -> Iterable[ClassFiles]:
    """What labels files call a class and the project does not, and folders that look like one."""
    names = Counter(folders)
    for written in plan.known.classes:
        if written.name is None:
            names[written.written] += written.rows
    for name, number in names.most_common(MAX_GROUPS):
        yield ClassFiles(name, known=False, files=number)


def _worst_first(problems: Iterable[Group]) -> list[Group]:
    return sorted(problems, key=lambda group: (group.outcome != REJECTED, -group.files))
