"""Where a file of a data set lies, and what that says. Pure.

A folder means a class only where it bears the name of one, wherever it lies in the path; the nearest one counts. Around and below
it there may be folders that mean nothing. `train`, `val` and `test` (and other words for them) are sides of the data set.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from labeling.imports import kinds
from labeling.imports.splits import split_of

LABELS_FILES: Final = ("labels.csv", "labels.json", "labels.yaml", "labels.yml")
SYSTEM_FOLDERS: Final = ("__macosx", "$recycle.bin", "system volume information")
SYSTEM_FILES: Final = ("thumbs.db", "ehthumbs.db", "desktop.ini")
# What people and our own exports put next to the scans; neither a scan nor a mistake.
SIDE_NOTES: Final = (
    "readme", "readme.txt", "readme.md", "readme.pdf", "license", "license.txt", "license.md", "sources.md", "metadata.json",
    "labels_history.csv",
)  # fmt: skip
ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the data set. `path`: as it came; `inner`: below the folders around everything.

    class_name: the nearest folder that is a class. firm: whether that also holds for DICOM, whose own folders (patient, study,
    series) may be called like a class by chance. split: the side that its folders name; row_split: the same, believed only for
    a file that a labels file names. strange: its folders that are neither. near: one of these that differs from a class in
    nothing but upper and lower case. on_disc: it belongs to a DICOM file-set. problem: (code, detail) when refused."""

    path: str
    inner: str
    class_name: str | None = None
    firm: bool = True
    split: str | None = None
    row_split: str | None = None
    strange: tuple[str, ...] = ()
    near: str | None = None
    on_disc: bool = False
    problem: tuple[str, str] | None = None


def is_system_file(path: str) -> bool:
    """True for what operating systems leave behind: neither a scan nor an error."""
    *folders, name = path.lower().split("/")
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in (*folders, name))
    return hidden or name in SYSTEM_FILES or any(part in SYSTEM_FOLDERS for part in folders)


def arrange(paths: Sequence[str], class_names: Collection[str], tables: Collection[str] = ()) -> list[Place]:
    """The files that may be scans, from the paths of all files (system files already gone). `tables`: labels files."""
    skip = _top(paths, class_names)
    discs = {path.rpartition("/")[0] for path in paths if kinds.is_index(path)}
    near = {name.casefold(): name for name in class_names}
    places = []
    for path in paths:
        inner = "/".join(path.split("/")[skip:])
        if path not in tables and inner.lower() not in SIDE_NOTES:
            disc = _disc_of(path, discs)
            below = None if disc is None else len(disc.split("/")) - skip if disc else 0
            places.append(_place(path, inner, class_names, near, disc=below))
    return places


def _disc_of(path: str, discs: Collection[str]) -> str | None:
    """The folder of the file-set that a file belongs to."""
    return next((disc for disc in discs if not disc or path.startswith(f"{disc}/")), None)


def _top(paths: Sequence[str], class_names: Collection[str]) -> int:
    """How many leading folders are shared by all files and mean nothing (the data set's own folder)."""
    split_paths = [path.split("/") for path in paths]
    skip = 0
    while split_paths:
        firsts = {parts[skip] if len(parts) > skip + 1 else "" for parts in split_paths}
        shared = firsts.pop() if len(firsts) == 1 else ""
        # Only the first may hold bare files: a second shared folder right above the files is a class.
        deep_enough = skip == 0 or min(len(parts) for parts in split_paths) > skip + 2
        if not shared or split_of(shared) or shared in class_names or not deep_enough:
            break
        skip += 1
    return skip


def _place(path: str, inner: str, classes: Collection[str], near: dict[str, str], *, disc: int | None) -> Place:
    """`disc`: how many of the folders lie around the file-set that the file belongs to."""
    *folders, name = inner.split("/")
    problem = _not_opened(name)
    named = [folder for folder in folders if folder in classes]
    # A class called like a side of the data set is that side when another class lies in the path.
    certain = [folder for folder in named if split_of(folder) is None] or named
    class_name = certain[-1] if certain else None
    splits = [(folder, side) for folder in folders if folder not in certain and (side := split_of(folder))]
    strange = tuple(folder for folder in folders if folder not in certain and split_of(folder) is None)
    sides = {side for _, side in splits}
    if len(set(certain)) > 1:
        problem = problem or _contradiction(certain)
    elif len(sides) > 1 and (class_name or not strange):
        problem = problem or _contradiction([folder for folder, _ in splits], of_sides=True)
    side = splits[0][1] if splits and len(sides) == 1 else None
    above = folders[max(disc or 0, 0) : folders.index(class_name)] if class_name else []
    plain = not any(folder in strange for folder in above)
    return Place(
        path,
        inner,
        class_name=class_name,
        firm=plain or not (disc is not None or (class_name or "").isdigit()),
        split=side if class_name or not strange else None,
        row_split=side,
        strange=strange,
        near=next((near[folder.casefold()] for folder in reversed(strange) if folder.casefold() in near), None),
        on_disc=disc is not None,
        problem=problem,
    )


def _not_opened(name: str) -> tuple[str, str] | None:
    if name.lower().endswith(ARCHIVES):
        return "nested_archive", "An archive inside the archive is not opened. Unpack it first."
    if name.lower() in LABELS_FILES:
        return "unexpected_labels_file", "Only one labels file, at the top, is read."
    return None


def _contradiction(folders: Sequence[str], *, of_sides: bool = False) -> tuple[str, str]:
    named = " and ".join(f"'{folder}'" for folder in dict.fromkeys(folders))
    what = "sides of the data set" if of_sides else "classes"
    return "contradictory_folders", f"Its folders name two {what}, {named}. Move the file so that one remains."


def file_name(path: str) -> str:
    return PurePosixPath(path).name
