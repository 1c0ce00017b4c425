"""What an import will do with each file, decided from the directory of the ZIP and its labels files. The preview shows it, the
worker does it: one home. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import BinaryIO, Protocol

from images.decoding.formats import PICTURES, SNIFF_BYTES, sniff
from images.services.meaning import Classes
from labeling.imports import arrays, kinds, zipnames
from labeling.imports.archive import Archive, ArchiveError, Entry, EntryRefused
from labeling.imports.array_source import ArraySource
from labeling.imports.asked import Asked
from labeling.imports.doubles import contradictions
from labeling.imports.kinds import Kind
from labeling.imports.layout import LABELS_FILES, Place, arrange, file_name, is_system_file
from labeling.imports.understanding import INVALID, Stated, Understanding, agreed, find_tables, understand

Note = tuple[str, str]


class Source(Protocol):
    """A ZIP (`archive.Archive`) or a folder (`folders.Folder`)."""

    entries: list[Entry]
    code_page: str | None

    def open(self, entry: Entry) -> BinaryIO: ...
    def read(self, entry: Entry) -> bytes: ...
    def head(self, entry: Entry, size: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Task:
    """One file that may be a scan: where it lies, its entry, and what the labels files say about it."""

    place: Place
    entry: Entry
    stated: Stated | None

    @property
    def path(self) -> str:
        return self.place.path


@dataclass(frozen=True, slots=True)
class Taken:
    """How a file is taken: its class (a name), its side, what else is known, and what is to be said about it."""

    label: str | None
    split: str | None
    values: Mapping[str, str]
    notes: Sequence[Note] = ()


@dataclass(frozen=True)
class Plan:
    """`refused`: entries that are not read, with the reason. `is_file_set`: DICOM files are among them. `doubles`: paths of equal
    files that lie under different classes, and what to say about each."""

    source: Source
    classes: Classes
    known: Understanding
    tasks: Sequence[Task]
    refused: Sequence[tuple[str, EntryRefused]]
    is_file_set: bool
    doubles: Mapping[str, Note] = field(default_factory=dict)

    @property
    def code_page(self) -> str | None:
        return self.source.code_page

    @cached_property
    def has_class_folders(self) -> bool:
        return any(task.place.class_name for task in self.tasks)

    def unlabelled_folder(self, task: Task, taken: Taken) -> str | None:
        """The folder of a DICOM file that came in without a label although the data set has class folders: a name misspelt?"""
        is_odd = taken.label is None and task.stated is None and task.place.strange and task.place.class_name is None
        return task.path.rpartition("/")[0] if is_odd and self.has_class_folders else None

    def settle(self, task: Task, head: bytes | None = None) -> Taken | Kind:
        """How to take a file, or as what it is passed over. Raises EntryRefused. `head`: its first bytes; without them its name
        has to do."""
        place, stated = task.place, task.stated
        if place.problem:
            raise EntryRefused(*place.problem)
        is_dicom = self._is_dicom(task, head)
        if kinds.is_index(place.path) or (head is not None and kinds.is_index_data(head)):
            return Kind.INDEX
        folder = place.class_name if place.firm or not is_dicom else None
        if stated is None and folder is None and not is_dicom and (kind := self._beside(task, head)):
            return kind
        if stated is not None and stated.refusal:
            raise EntryRefused(*stated.refusal)
        if stated is None and folder is None:
            self._require_understood(task, is_dicom=is_dicom)
        return self._taken(task, folder)

    def needs_head(self, task: Task) -> bool:
        """Whether the name and the folders leave open how to take it."""
        place = task.place
        return not kinds.is_picture_name(place.path) or bool(place.strange) or place.on_disc

    def _taken(self, task: Task, folder: str | None) -> Taken:
        place, stated = task.place, task.stated
        label, note = agreed(stated, folder)
        notes = [*(stated.notes if stated else ()), *([note] if note else ())]
        if double := self.doubles.get(place.path):
            label = None
            notes.append(double)
        values = stated.values if stated else {}
        said, lies = values.get("split"), place.row_split if stated else place.split
        if said and lies and said != lies:
            detail = f"The folder says '{lies}', the labels file '{said}'. The labels file counts."
            notes.append(("split_conflict", detail))
        return Taken(label, said or lies, values, notes)

    def _is_dicom(self, task: Task, head: bytes | None) -> bool:
        if kinds.is_dicom_name(task.path):
            return True
        if head is not None:
            return sniff(head[:SNIFF_BYTES]) == "DICOM"
        return self.is_file_set and not kinds.is_picture_name(task.path) and kinds.beside(task.path) is None

    def _beside(self, task: Task, head: bytes | None) -> Kind | None:
        """What lies beside the scans of a file-set. Elsewhere a file that is no scan is a mistake that somebody wants to know."""
        place = task.place
        if not self.is_file_set:
            return None
        kind = kinds.beside(task.path)
        if kinds.is_picture_name(task.path):
            return Kind.PREVIEW if place.on_disc else kind
        if head is not None and sniff(head[:SNIFF_BYTES]) in PICTURES:
            return None
        if place.on_disc or place.strange:
            return kind or Kind.OTHER
        return kind if kind is not Kind.PREVIEW else None

    def _require_understood(self, task: Task, *, is_dicom: bool) -> None:
        """Refuse a file whose folders look like a class and are none."""
        place = task.place
        if place.near:
            raise self._unknown(f"its folder is spelt otherwise than the class '{place.near}'. Rename the folder")
        if is_dicom or not place.strange:
            return
        if task.entry.unsure:
            raise EntryRefused("unreadable_name", zipnames.PACK_AGAIN)
        if len(place.strange) == 1:
            raise self._unknown(f"its folder is '{place.strange[0]}'")
        folders = "/".join(place.strange)
        detail = (
            f"None of its folders ({folders}) is a class, and no labels file names it. The classes are: "
            f"{', '.join(self.classes.active)}. Rename a folder, or add a row to labels.csv."
        )
        raise EntryRefused("unexpected_folder", detail)

    def _unknown(self, what: str) -> EntryRefused:
        known = ", ".join(self.classes.active)
        return EntryRefused("unknown_class", f"The project has no such class: {what}. Its classes are: {known}.")


def make_plan(source: Source, classes: Classes, asked: Asked, *, exact: bool = True) -> Plan:
    """`exact`: compare files that seem to be equal byte by byte; else their checksums in the directory have to do."""
    entries = {entry.path: entry for entry in reversed(source.entries) if not is_system_file(entry.path)}
    paths = [path for path, entry in reversed(entries.items()) if not entry.refusal]
    if isinstance(source, Archive) and arrays.is_array_set(paths):
        return _of_arrays(source, paths, classes)
    tables = [(path, partial(source.open, entries[path])) for path in find_tables(paths)]
    known = understand(tables, paths, classes, asked.dialect, asked.finding)

    def head(path: str) -> bytes:
        return source.head(entries[path], kinds.META_BYTES)

    is_file_set = kinds.is_file_set(paths, head)
    if is_file_set:
        known = _without_strangers(known)
    # A table that is none is no scan either; it has its line among the problems.
    places = arrange(paths, classes.names, {*known.files, *known.unused})
    plan = Plan(
        source=source,
        classes=classes,
        known=known,
        tasks=[Task(place, entries[place.path], known.by_path.get(place.path)) for place in places],
        refused=list(_refused(source.entries)),
        is_file_set=is_file_set,
    )
    return replace(plan, doubles=contradictions(source, plan.tasks, exact=exact))


def _of_arrays(archive: Archive, paths: Sequence[str], classes: Classes) -> Plan:
    """The pictures of a file of arrays. Raises ArchiveError where it is none after all."""
    members = {entry.path: entry for entry in archive.entries}
    try:
        known = arrays.understand(lambda path: archive.read(members[path]), paths, classes)
    except (arrays.NotASet, EntryRefused) as error:
        raise ArchiveError(str(error)) from error
    source = ArraySource(archive, list(known.by_path))
    tasks = [Task(Place(one.path, one.path), one, known.by_path[one.path]) for one in source.entries]
    return Plan(source, classes, known, tasks, refused=(), is_file_set=False)


def _without_strangers(known: Understanding) -> Understanding:
    """On a CD a text that is no labels file is none of our business, unless it is called one."""
    none = {problem.file for problem in known.problems if problem.code in (INVALID, "unused_table")}
    strangers = {path for path in known.unused if path in none and file_name(path).lower() not in LABELS_FILES}
    return replace(
        known,
        unused=[path for path in known.unused if path not in strangers],
        problems=[problem for problem in known.problems if problem.file not in strangers],
    )


def _refused(entries: Iterable[Entry]) -> Iterator[tuple[str, EntryRefused]]:
    for entry in entries:
        hidden = is_system_file(entry.path) and (entry.refusal is None or entry.refusal.code != "unsafe_path")
        if entry.refusal and not hidden:
            yield entry.path, entry.refusal
