"""What the labels files of a data set say about its pictures. The preview shows it, the import does it: one home. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from images.services.meaning import Classes
from labeling.imports import dialects
from labeling.imports.matching import ENDINGS, Members, file_name
from labeling.imports.merging import Stated, Voice, agreed, merged
from labeling.imports.statements import Reading, Statement, label_column, read
from labeling.imports.tables import ManifestError, list_table, read_table
from labeling.imports.understood import (
    MAX_PROBLEMS,
    ClassCount,
    ColumnMeaning,
    RowProblem,
    Understanding,
    bounded,
    class_counts,
    summed,
)

__all__ = [
    "MAX_TABLES",
    "ClassCount",
    "ColumnMeaning",
    "RowProblem",
    "Stated",
    "Understanding",
    "agreed",
    "find_tables",
    "understand",
]

MAX_TABLES: Final = 8
# A row may be about all pictures of a folder.
MAX_PAIRS: Final = 800_000
# Before all others; of several, the first one that is there.
LABELS_FILES: Final = ("labels.csv", "labels.json", "labels.yaml", "labels.yml", "labels.tsv", "labels.txt")
_NOT_READ: Final = {
    ".xlsx": "Save it as CSV (UTF-8) in the spreadsheet.",
    ".xls": "Save it as CSV (UTF-8) in the spreadsheet.",
    ".ods": "Save it as CSV (UTF-8) in the spreadsheet.",
    ".gz": "Unpack it.",
}
# By which endings a file under another name may be a labels file.
_TABLES: Final = (".csv", ".tsv", ".csv.gz", ".xlsx", ".xls", ".ods")


def find_tables(paths: Iterable[str]) -> list[str]:
    """The files that may hold labels, in the order in which they are to be tried; at most MAX_TABLES, those at the top first."""
    ordered = sorted(paths, key=lambda path: (path.count("/"), path))
    named = [path for name in LABELS_FILES for path in ordered if file_name(path).lower() == name]
    others = (path for path in ordered if _is_list(path) or (path.lower().endswith(_TABLES) and not _is_note(path)))
    return named[:1] if named else list(islice(others, MAX_TABLES))


def _is_list(path: str) -> bool:
    return file_name(path).lower() in dialects.LISTS


def _is_note(path: str) -> bool:
    name = file_name(path).lower()
    return name.startswith(("readme", "license", "licence", "sha256", "requirements")) or name in (
        "labels_history.csv", "metadata.json", "attribution.txt", "index.txt",
    )  # fmt: skip


def understand(
    files: Sequence[tuple[str, bytes]], paths: Sequence[str], classes: Classes, dialect: str = dialects.AUTO
) -> Understanding:
    """What the labels files `files` (path, bytes) say about the pictures among `paths`. Whatever is in them, an answer."""
    if not files:
        return _by_paths(paths, classes, dialect)
    problems: list[RowProblem] = []
    readings: list[Reading] = []
    for name, data in files:
        try:
            readings.append(_read(name, data, paths, classes, dialect))
        except ManifestError as error:
            problems.append(RowProblem(name, 0, "", "invalid_labels_file", str(error)))
    try:
        columns = label_column(readings, classes)
    except ManifestError as error:
        problems += [RowProblem(reading.table.name, 0, "", "invalid_labels_file", str(error)) for reading in readings]
        readings = []
    if not readings:
        unused = [problem.file for problem in problems]
        return replace(_by_paths(paths, classes, dialect), problems=problems, unused=unused)
    # Beside a labels file that was read, another table is no mistake.
    problems = [replace(problem, code="unused_table") for problem in problems]
    return _together(readings, columns, paths, classes, problems)


def _read(name: str, data: bytes, paths: Sequence[str], classes: Classes, dialect: str) -> Reading:
    if remedy := _NOT_READ.get(PurePosixPath(name.lower()).suffix):
        raise ManifestError(f"The labels file {name} is of a kind that is not read. {remedy}")
    if "submission" in file_name(name).lower():
        raise ManifestError(f"The labels file {name} is a form for predictions: what it says are no labels.")
    if _is_list(name):
        return read(list_table(name, data, dialects.LISTS[file_name(name).lower()]), dialects.LISTED, classes)
    words = [*classes.names, *(file_name(path) for path in paths if not path.isascii())]
    table = read_table(name, data, words)
    return read(table, dialects.choose(table.header, dialect, classes.active), classes)


def _together(
    readings: Sequence[Reading],
    columns: Mapping[int, int],
    paths: Sequence[str],
    classes: Classes,
    problems: list[RowProblem],
) -> Understanding:
    tables = {reading.table.name for reading in readings} | {problem.file for problem in problems}
    members = Members([path for path in paths if path not in tables])
    voices: dict[str, list[Voice]] = {}
    counted: Counter[str] = Counter()
    pairs = 0
    for place, reading in enumerate(readings):
        for said in reading.statements:
            labels = _labels(reading, said, columns.get(place))
            counted.update(labels)
            voice = Voice(reading.table.name, said, tuple(labels))
            found = _found(members, reading, said, problems)
            pairs += len(found)
            if pairs > MAX_PAIRS:
                return Understanding(says="No labels file could be read.", problems=[_too_many(reading)])
            for path in found:
                voices.setdefault(path, []).append(voice)
        if reading.table.guessed:
            problems.append(_guess(reading))
    meanings = classes.meanings(counted)
    by_path = {path: merged(heard, meanings) for path, heard in voices.items()}
    return Understanding(
        dialect=readings[0].dialect.name,
        says=_says(readings, len(by_path)),
        files=[reading.table.name for reading in readings],
        unused=[problem.file for problem in problems if problem.code == "unused_table"],
        columns=[one for place, reading in enumerate(readings) for one in _columns(reading, columns.get(place))],
        classes=class_counts(counted, meanings),
        rows=sum(len(reading.statements) for reading in readings),
        problems=bounded(problems),
        **summed(by_path),
    )


def _labels(reading: Reading, said: Statement, column: int | None) -> list[str]:
    if reading.marks:
        return list(said.marked)
    return reading.split_labels(said.texts[column]) if column is not None else []


def _found(members: Members, reading: Reading, said: Statement, problems: list[RowProblem]) -> list[str]:
    """The files that a row is about; a row without any is a problem."""
    if said.folder:
        found = members.in_folder(said.folder)
        problem = None if found else ("unknown_image", f"No file lies in a folder {said.folder}.")
    else:
        found = members.find(said.image_id)
        if len(found) != 1 and reading.dialect.top_folder:
            found = members.in_folder(said.image_id.split("/")[0]) or found
        problem = _problem(said, found)
    if problem:
        problems.append(RowProblem(reading.table.name, said.number, said.image_id, *problem, said.values))
        return []
    return found


def _problem(said: Statement, found: Sequence[str]) -> tuple[str, str] | None:
    if not said.image_id:
        return "missing_image_id", "This row names no scan. Fill in image_id."
    if not found:
        return "unknown_image", "No file of the data set has this path or name."
    if len(found) > 1:
        return "ambiguous_image", f"{len(found)} files have this name. Give the path instead."
    return None


def _too_many(reading: Reading) -> RowProblem:
    detail = "The rows of the labels file are about more files than can be kept apart. Split the data set."
    return RowProblem(reading.table.name, 0, "", "invalid_labels_file", detail)


def _guess(reading: Reading) -> RowProblem:
    detail = (
        f"The labels file is not UTF-8 and does not say what it is; it was read as {reading.table.guessed}. Check the letters "
        "that are not English, or save it again as UTF-8."
    )
    return RowProblem(reading.table.name, 0, "", "guessed_encoding", detail)


def _columns(reading: Reading, column: int | None) -> Iterable[ColumnMeaning]:
    label = reading.labels[column] if column is not None else ""
    for name in reading.table.header[:MAX_PROBLEMS]:
        low = name.lower()
        meaning = (
            "image" if low == reading.image
            else "label" if low == label
            else f"class {reading.marks[low]}" if low in reading.marks
            else reading.meanings.get(low, "")
        )  # fmt: skip
        yield ColumnMeaning(reading.table.name, name, meaning)


def _says(readings: Sequence[Reading], matched: int) -> str:
    titles = " and ".join(dict.fromkeys(reading.dialect.title for reading in readings))
    names = ", ".join(reading.table.name for reading in readings)
    rows = sum(len(reading.statements) for reading in readings)
    return f"{names} read as {titles}: {rows} rows about {matched} files."


def _by_paths(paths: Sequence[str], classes: Classes, wanted: str) -> Understanding:
    """What file names alone say, in data sets that are known for it."""
    dialect = dialects.of_paths(paths, wanted)
    if dialect is None:
        return Understanding()
    by_path: dict[str, Stated] = {}
    for path in paths:
        if (match := dialect.pattern.fullmatch(file_name(path))) and path[path.rfind(".") :].lower() in ENDINGS:
            labels = {name for label in dialect.labels(match) if (name := classes.named(label))}
            label = labels.pop() if len(labels) == 1 else None
            by_path[path] = Stated(label=label, values={"patient": match["patient"]})
    counted = Counter(stated.label for stated in by_path.values() if stated.label)
    return Understanding(
        dialect=dialect.name,
        says=f"The names are those of {dialect.title}: they say whose picture it is. {len(by_path)} files.",
        classes=class_counts(counted, {label: label for label in counted}),
        rows=len(by_path),
        **summed(by_path),
    )
