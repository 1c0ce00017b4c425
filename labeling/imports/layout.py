"""Where a file of a data set lies, and what that says: `[top/]{train,val,test}/{class}/x.jpg`, `{class}/x.jpg`, or flat. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

SPLITS: Final = ("train", "val", "test")
LABELS_FILES: Final = ("labels.csv", "labels.json", "labels.yaml", "labels.yml")
SYSTEM_FOLDERS: Final = ("__macosx", "$recycle.bin", "system volume information")
SYSTEM_FILES: Final = ("thumbs.db", "ehthumbs.db", "desktop.ini")
# What people and our own exports put next to the scans; neither a scan nor a mistake.
SIDE_NOTES: Final = (
    "readme", "readme.txt", "readme.md", "license", "license.txt", "license.md", "sources.md", "metadata.json",
    "labels_history.csv",
)  # fmt: skip
ARCHIVES: Final = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the data set. `path`: as it came; `inner`: below the top folder. `problem`: (code, detail) when refused."""

    path: str
    inner: str
    split: str | None = None
    class_name: str | None = None
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class Layout:
    places: list[Place]
    labels_file: str | None


def is_system_file(path: str) -> bool:
    """True for what operating systems leave behind: neither a scan nor an error."""
    *folders, name = path.lower().split("/")
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in (*folders, name))
    return hidden or name in SYSTEM_FILES or any(part in SYSTEM_FOLDERS for part in folders)


def arrange(paths: Sequence[str], class_names: Collection[str]) -> Layout:
    """Read the layout from the paths of all files (system files already gone)."""
    skip = _top(paths, class_names)
    inner = {path: "/".join(path.split("/")[skip:]) for path in paths}
    present = {rest.lower(): path for path, rest in inner.items()}
    labels_file = next((present[name] for name in LABELS_FILES if name in present), None)
    places = [
        _place(path, rest) for path, rest in inner.items() if path != labels_file and rest.lower() not in SIDE_NOTES
    ]
    return Layout(places, labels_file)


def _top(paths: Sequence[str], class_names: Collection[str]) -> int:
    """How many leading folders are shared by all files and mean nothing (the data set's own folder)."""
    split_paths = [path.split("/") for path in paths]
    skip = 0
    while split_paths:
        firsts = {parts[skip] if len(parts) > skip + 1 else "" for parts in split_paths}
        shared = firsts.pop() if len(firsts) == 1 else ""
        # Only the first may hold bare files: a second shared folder right above the files is a class.
        deep_enough = skip == 0 or min(len(parts) for parts in split_paths) > skip + 2
        if not shared or shared.lower() in SPLITS or shared in class_names or not deep_enough:
            break
        skip += 1
    return skip


def _place(path: str, inner: str) -> Place:
    *folders, name = inner.split("/")
    if name.lower().endswith(ARCHIVES):
        return Place(
            path, inner, problem=("nested_archive", "An archive inside the archive is not opened. Unpack it first.")
        )
    if name.lower() in LABELS_FILES:
        return Place(path, inner, problem=("unexpected_labels_file", "Only one labels file, at the top, is read."))
    split = None
    if folders and folders[0].lower() in SPLITS:
        split = folders.pop(0).lower()
    if len(folders) > 1:
        detail = "Folders may be {train,val,test}/{class} or {class}; this one lies deeper. Move the file up."
        return Place(path, inner, problem=("unexpected_folder", detail))
    return Place(path, inner, split=split, class_name=folders[0] if folders else None)


def file_name(path: str) -> str:
    return PurePosixPath(path).name
