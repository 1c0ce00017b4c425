"""What the labels files of a data set say about its pictures. The preview shows it, the import does it: one home. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from images.services.meaning import Classes
from labeling.imports import dialects
from labeling.imports.archive import EntryRefused
from labeling.imports.asked import Asked, Finding
from labeling.imports.hearing import Heard, Room, hear
from labeling.imports.matching import ENDINGS, Members, file_name
from labeling.imports.merging import Stated, Voice, agreed, merged
from labeling.imports.statements import Reading, Statement, label_column, read
from labeling.imports.tables import list_table, read_table
from labeling.imports.texts import PACKED, ManifestError, Opener
from labeling.imports.understood import (
    MAX_PROBLEMS,
    ClassCount,
    ColumnMeaning,
    RowProblem,
    Understanding,
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
INVALID: Final = "invalid_labels_file"
# Before all others; of several, the first one that is there.
_PLAIN: Final = ("labels.csv", "labels.json", "labels.yaml", "labels.yml", "labels.tsv", "labels.txt")
LABELS_FILES: Final = (*_PLAIN, *(f"{name}{PACKED}" for name in _PLAIN))
_NOT_READ: Final = {
    ".xlsx": "Save it as CSV (UTF-8) in the spreadsheet.",
    ".xls": "Save it as CSV (UTF-8) in the spreadsheet.",
    ".ods": "Save it as CSV (UTF-8) in the spreadsheet.",
}
# By which endings a file under another name may be a labels file.
_TABLES: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xlsx", ".xls", ".ods")


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
    files: Sequence[tuple[str, Opener]],
    paths: Sequence[str],
    classes: Classes,
    dialect: str = dialects.AUTO,
    finding: str = "",
) -> Understanding:
    """What the labels files `files` say about the pictures among `paths`. Whatever is in them, an answer. `finding`: see
    `asked.Finding`."""
    if not files:
        known = _by_paths(paths, classes, dialect)
        lost = RowProblem("labels file", 0, "", INVALID, f"No labels file was found that could name '{finding}'.")
        return replace(known, problems=[lost]) if finding else known
    heard, problems = _hear_all(files, paths, classes, Asked(dialect, finding))
    found, unsure = _with_columns(heard, classes)
    unused = [problem.file for problem in (*problems, *unsure)]
    if not found:
        return replace(_by_paths(paths, classes, dialect), problems=[*problems, *unsure], unused=unused)
    # Beside a labels file that was read, another table is no mistake.
    problems = [replace(one, code="unused_table") if one.code == INVALID else one for one in problems]
    return replace(_together(found, classes), problems=[*problems, *_problems(found), *unsure], unused=unused)


def _hear_all(
    files: Sequence[tuple[str, Opener]], paths: Sequence[str], classes: Classes, asked: Asked
) -> tuple[list[Heard], list[RowProblem]]:
    """The files that can be read, and why the others cannot."""
    tables = {name for name, _ in files}
    members, room = Members([path for path in paths if path not in tables]), Room()
    heard: list[Heard] = []
    problems: list[RowProblem] = []
    for name, open_file in files:
        try:
            heard.append(hear(_read(name, open_file, paths, classes, asked), members, room))
        except ManifestError as error:
            problems.append(RowProblem(name, 0, "", INVALID, str(error)))
        except EntryRefused as error:
            problems.append(RowProblem(name, 0, "", error.code, error.detail))
    return heard, problems


def _with_columns(heard: Iterable[Heard], classes: Classes) -> tuple[list[tuple[Heard, int | None]], list[RowProblem]]:
    """Each file with the place of its label column, and those of which nobody can say which it is."""
    found: list[tuple[Heard, int | None]] = []
    unsure: list[RowProblem] = []
    for one in heard:
        try:
            found.append((one, label_column(one.reading.labels, one.written, classes)))
        except ManifestError as error:
            unsure.append(RowProblem(one.reading.table.name, 0, "", INVALID, str(error)))
    return found, unsure


def _read(name: str, open_file: Opener, paths: Sequence[str], classes: Classes, asked: Asked) -> Reading:
    if remedy := _NOT_READ.get(PurePosixPath(name.lower()).suffix):
        raise ManifestError(f"The labels file {name} is of a kind that is not read. {remedy}")
    if "submission" in file_name(name).lower():
        raise ManifestError(f"The labels file {name} is a form for predictions: what it says are no labels.")
    if _is_list(name):
        return read(list_table(name, open_file, dialects.LISTS[file_name(name).lower()]), dialects.LISTED, classes)
    words = [*classes.names, *(file_name(path) for path in paths if not path.isascii())]
    table = read_table(name, open_file, words)
    dialect = dialects.choose(table.header, asked.dialect, classes.active)
    return read(table, dialect, classes, Finding.of(asked.finding, classes))


def _together(found: Sequence[tuple[Heard, int | None]], classes: Classes) -> Understanding:
    voices: dict[str, list[Voice]] = {}
    counted: Counter[str] = Counter()
    for heard, column in found:
        counted.update(heard.marked if column is None else heard.written[column])
        for said, paths in heard.kept:
            voice = Voice(heard.reading.table.name, said, tuple(_labels(heard.reading, said, column)))
            for path in paths:
                voices.setdefault(path, []).append(voice)
    spoken = {label for heard in voices.values() for voice in heard for label in voice.labels}
    meanings = classes.meanings({**counted, **dict.fromkeys(spoken)})
    by_path = {path: merged(heard, meanings) for path, heard in voices.items()}
    readings = [heard.reading for heard, _ in found]
    return Understanding(
        dialect=readings[0].dialect.name,
        says=_says(found, len(by_path)),
        files=[reading.table.name for reading in readings],
        columns=[one for heard, column in found for one in _columns(heard.reading, column)],
        classes=class_counts(counted, meanings),
        rows=sum(heard.rows for heard, _ in found),
        **summed(by_path),
    )


def _labels(reading: Reading, said: Statement, column: int | None) -> Sequence[str]:
    return said.marked if column is None else reading.split_labels(said.texts[column])


def _problems(found: Sequence[tuple[Heard, int | None]]) -> Iterator[RowProblem]:
    for heard, _ in found:
        yield from heard.problems.listed()
        if heard.reading.table.guessed:
            yield _guess(heard.reading)


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


def _says(found: Sequence[tuple[Heard, int | None]], matched: int) -> str:
    readings = [heard.reading for heard, _ in found]
    titles = " and ".join(dict.fromkeys(reading.dialect.title for reading in readings))
    names = ", ".join(reading.table.name for reading in readings)
    rows = sum(heard.rows for heard, _ in found)
    asked = next((f" {reading.finding.says()}" for reading in readings if reading.finding), "")
    return f"{names} read as {titles}: {rows} rows about {matched} files.{asked}"


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
