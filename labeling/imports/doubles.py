"""Equal files of one data set that are said to be of different classes: neither statement counts. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from labeling.imports.archive import EntryRefused
from labeling.imports.understanding import agreed

if TYPE_CHECKING:
    from labeling.imports.plan import Note, Source, Task

SHOWN = 4


def contradictions(source: "Source", tasks: Iterable["Task"], *, exact: bool) -> "Mapping[str, Note]":
    """What to say about each such file. Only files that have the same size and checksum are compared, byte by byte (`exact`) or not
    at all."""
    same_checksum: dict[tuple[int, int], list[Task]] = defaultdict(list)
    for task in tasks:
        if not task.place.problem:
            same_checksum[task.entry.size, task.entry.checksum].append(task)
    found: dict[str, Note] = {}
    for alike in same_checksum.values():
        if len(alike) > 1 and _disagree(alike):
            for equal in _equal(source, alike) if exact else [alike]:
                found.update(_said(equal) if _disagree(equal) else {})
    return found


def _label(task: "Task") -> str | None:
    return agreed(task.stated, task.place.class_name)[0]


def _disagree(tasks: "Sequence[Task]") -> bool:
    return len({_label(task) for task in tasks} - {None}) > 1


def _equal(source: "Source", tasks: "Sequence[Task]") -> "list[list[Task]]":
    """Those whose bytes are equal. One that cannot be read is equal to none; its reading is reported later."""
    digests = []
    for task in tasks:
        try:
            digests.append((hashlib.sha256(source.read(task.entry)).hexdigest(), task))
        except EntryRefused:
            continue
    digests.sort(key=lambda pair: pair[0])
    return [[task for _, task in pairs] for _, pairs in groupby(digests, key=lambda pair: pair[0])]


def _said(tasks: "Sequence[Task]") -> "dict[str, Note]":
    """For each of these equal files: what is said of all."""
    shown = "; ".join(f"'{_label(task)}' ({task.path})" for task in tasks[:SHOWN] if _label(task))
    detail = f"The same picture is in the data set under several classes: {shown}. None of them counts until somebody labels it."
    return {task.path: ("contradictory_class", detail) for task in tasks}
