"""Which file of a data set a row means. Pure.

In this order: its path (in the ZIP, or below the top folder), the only path that ends so, the only file of this name; and each of
these again without the ending, as public data sets write ids (ISIC_0000000); at last in any case. Names are compared in NFC.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

# What pictures are called; what stands behind the last dot of 1.2.840.113 is no ending.
ENDINGS: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dcm", ".dicom", ".dic", ".bmp", ".gif", ".webp", ".jp2"}
)


class Members:
    """The files of a data set, found by what rows say about them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [(path, unicodedata.normalize("NFC", path)) for path in paths]
        self._top = _shared_folders(paths)
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        for path, name in self._paths:
            for whole in {name, "/".join(name.split("/")[self._top :])}:
                _put(self._whole, whole, path)
            _put(self._names, file_name(name), path)

    def find(self, said: str) -> list[str]:
        """The paths that a row may mean: one when it is sure, several when it is not, none."""
        wanted = unicodedata.normalize("NFC", said).replace("\\", "/").removeprefix("./").strip("/")
        for name in dict.fromkeys((wanted, without_ending(wanted))):
            if name and (found := self._whole.get(name) or self._ending(name)):
                return found
        return self._folded.get(wanted.casefold(), [])

    def _ending(self, name: str) -> list[str]:
        if "/" not in name:
            return self._names.get(name, [])
        return self._tails.get(name) or self._below(name)

    def _below(self, name: str) -> list[str]:
        """The row's path begins above what was packed: its end is the whole path of a file here."""
        parts = name.split("/")
        return next((found for at in range(1, len(parts)) if (found := self._whole.get("/".join(parts[at:])))), [])

    @cached_property
    def _tails(self) -> dict[str, list[str]]:
        """Each path without some of its leading folders; needed for few data sets, and large."""
        tails: dict[str, list[str]] = defaultdict(list)
        for path, name in self._paths:
            parts = name.split("/")
            for at in range(1, len(parts) - 1):
                _put(tails, "/".join(parts[at:]), path)
        return tails

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        """For data sets that were once on a system that does not tell a.png from A.PNG: paths and names in lower case."""
        folded: dict[str, set[str]] = defaultdict(set)
        for path, name in self._paths:
            for form in (name, "/".join(name.split("/")[self._top :]), file_name(name)):
                folded[form.casefold()].add(path)
                folded[without_ending(form).casefold()].add(path)
        return {form: sorted(paths) for form, paths in folded.items()}

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        folders: dict[str, list[str]] = defaultdict(list)
        for path, name in self._paths:
            for folder in set(name.split("/")[:-1]):
                folders[folder].append(path)
        return folders

    def in_folder(self, name: str) -> list[str]:
        """All files below a folder of this name, anywhere."""
        return self._folders.get(name, [])


def _put(where: dict[str, list[str]], name: str, path: str) -> None:
    where[name].append(path)
    if (bare := without_ending(name)) != name:
        where[bare].append(path)


def without_ending(path: str) -> str:
    """The path without the ending of a picture."""
    dot = path.rfind(".")
    return path[:dot] if dot > path.rfind("/") + 1 and path[dot:].lower() in ENDINGS else path


def file_name(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _shared_folders(paths: Iterable[str]) -> int:
    """How many leading folders all files share."""
    shared: list[str] | None = None
    for path in paths:
        folders = path.split("/")[:-1]
        if shared is None:
            shared = folders
        while shared != folders[: len(shared)]:
            shared.pop()
        if not shared:
            return 0
    return len(shared or [])
