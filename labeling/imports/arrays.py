"""A data set as a file of arrays: `.npz` as MedMNIST publishes it, with `train_images`, `train_labels` and so on.

An `.npz` is a ZIP of `.npy` files, whose header (NumPy's format, versions 1 and 2) says type and shape. Arrays of objects are
pickles and are refused unread. A picture is made of each image: PNG, lossless, grey or RGB. Pure.
"""

import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from PIL import Image

from images.services.meaning import Classes
from labeling.imports.merging import MAX_SENTENCES, Stated, Voice, merged
from labeling.imports.splits import split_of
from labeling.imports.statements import Statement
from labeling.imports.understood import Understanding, class_counts, summed

MAX_PICTURES: Final = 200_000
MAX_SIDE: Final = 4096
_NAME: Final = re.compile(r"([A-Za-z]+)_(images|labels)\.npy")
_HEADERS: Final[dict[tuple[int, int], Callable[..., Any]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NotASet(Exception):
    """The arrays make no data set; the message says why."""


def is_array_set(paths: Sequence[str]) -> bool:
    """True where the files of the ZIP are those of such an `.npz`: at its top, and nothing else."""
    return bool(paths) and all(_NAME.fullmatch(path) for path in paths) and any("_images." in path for path in paths)


def pictures(read: Callable[[str], bytes], paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Name (`train/000123.png`) and PNG of all pictures, in their order. `read` gives the bytes of a member; one side is in memory
    at a time. NotASet."""
    for path, side in _sides(paths):
        for number, picture in enumerate(_pictures(path, _array(path, read(path)))):
            yield _name(side, number), _png(picture)


def understand(read: Callable[[str], bytes], paths: Sequence[str], classes: Classes) -> Understanding:
    """What the label arrays say about the pictures; no picture is made. NotASet."""
    voices: dict[str, Voice] = {}
    equal: dict[bytes, list[str]] = defaultdict(list)
    for path, side in _sides(paths):
        arrays = _pictures(path, _array(path, read(path)))
        if len(voices) + len(arrays) > MAX_PICTURES:
            raise NotASet(f"The file holds more than {MAX_PICTURES} pictures. Split it.")
        labels = _labels(read, paths, side, len(arrays))
        for number, array in enumerate(arrays):
            name = _name(side, number)
            voices[name] = Voice(path, Statement(number + 1, "", values=_split(side)), labels[number])
            equal[hashlib.blake2b(array.tobytes(), digest_size=16).digest()].append(name)
    counted = Counter(label for voice in voices.values() for label in voice.labels)
    meanings = classes.meanings(counted)
    by_path = {name: merged([voice], meanings) for name, voice in voices.items()}
    for names in equal.values():
        by_path.update(_contradicted({name: by_path[name] for name in names}))
    return Understanding(
        dialect="medmnist",
        says=f"{len(voices)} pictures in arrays, as MedMNIST has them. Their labels are numbers of classes, from 0.",
        classes=class_counts(counted, meanings),
        rows=len(voices),
        **summed(by_path),
    )


def _contradicted(equal: dict[str, Stated]) -> dict[str, Stated]:
    """Equal pictures with different labels: none of these counts."""
    firsts = {stated.label: name for name, stated in reversed(equal.items()) if stated.label}
    if len(firsts) < 2:
        return {}
    said = "; ".join(f"{name} says '{label}'" for label, name in list(firsts.items())[::-1][:MAX_SENTENCES])
    note = (
        "contradictory_row",
        f"The same picture comes several times: {said}. None of them counts until somebody labels it.",
    )
    return {
        name: replace(stated, label=None, contradicted=True, notes=(*stated.notes, note))
        for name, stated in equal.items()
    }


def _sides(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The image arrays and their sides."""
    for path in paths:
        if (match := _NAME.fullmatch(path)) and match[2] == "images":
            yield path, match[1]


def _name(side: str, number: int) -> str:
    return f"{side}/{number:06}.png"


def _split(side: str) -> dict[str, str]:
    split = split_of(side)
    return {"split": split} if split else {}


def _array(path: str, data: bytes) -> Any:
    """The array, without a copy. NotASet for what is none, holds objects, or is shorter than it says."""
    source = io.BytesIO(data)
    try:
        shape, fortran, kind = _HEADERS[np.lib.format.read_magic(source)](source)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise NotASet(f"{path} is no array that can be read. Save it again with numpy.savez.") from error
    if kind.hasobject or kind.names is not None:
        raise NotASet(f"{path} holds objects, not numbers. Save it as an array of numbers.")
    count, rest = int(np.prod(shape, dtype=object)), len(data) - source.tell()
    if count * kind.itemsize != rest or kind.itemsize == 0:
        raise NotASet(f"{path} has {rest} bytes of numbers where its header promises {count * kind.itemsize}.")
    flat = np.frombuffer(data, dtype=kind, count=count, offset=source.tell())
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _pictures(path: str, array: Any) -> Any:
    """(n, height, width) or (n, height, width, 3), 8 bits or 16 bits of grey."""
    shape, grey = array.shape, array.ndim == 3
    if not (grey or (array.ndim == 4 and shape[3] == 3)) or not all(0 < side <= MAX_SIDE for side in shape[1:3]):
        raise NotASet(
            f"{path} has the shape {shape}. Pictures are (number, height, width) or (number, height, width, 3), each side at "
            f"most {MAX_SIDE}; volumes are not taken."
        )
    if array.dtype != np.uint8 and not (grey and array.dtype == np.uint16):
        raise NotASet(f"{path} holds {array.dtype}. Pictures are uint8, or uint16 for grey ones.")
    return array


def _labels(read: Callable[[str], bytes], paths: Sequence[str], side: str, count: int) -> list[tuple[str, ...]]:
    """The label of each picture: the number itself; of several columns of 0 and 1, the numbers of those with 1."""
    path = f"{side}_labels.npy"
    if path not in paths:
        return [()] * count
    array = _array(path, read(path))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    whole = array.dtype.kind in "biuU" or (array.dtype.kind == "f" and bool((array % 1 == 0).all()))
    if array.shape[:1] != (count,) or array.ndim not in (1, 2) or not whole:
        raise NotASet(f"{path} has the shape {array.shape} and type {array.dtype}; {count} whole numbers are expected.")
    if array.ndim == 1:
        return [(_label(value),) for value in array.tolist()]
    if array.dtype.kind == "U" or not np.isin(array, (0, 1)).all():
        raise NotASet(f"{path} has {array.shape[1]} columns that are not 0 and 1.")
    return [tuple(str(at) for at in np.flatnonzero(row)) for row in array]


def _label(value: Any) -> str:
    return (
        str(int(value)) if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()) else str(value)
    )


def _png(picture: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, "PNG", compress_level=1)
    return out.getvalue()
