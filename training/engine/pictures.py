"""The pictures of a training, in memory or read as they are needed, and reading ahead of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from models_registry.inference.preprocess import Pixels, shrink

Positions = npt.NDArray[np.int64]
Index = slice | Positions
Given = TypeVar("Given")
Made = TypeVar("Made")

# Threads that read, and batches that are being read or wait for the network. One reader decrypts a gigabyte in a second, and a
# step takes far longer than its pictures.
READERS: Final = 2
AHEAD: Final = 2
# Pictures that are held at a time where all of them are passed through in order: as many as this, but not more bytes.
MOST_PICTURES: Final = 256
MOST_BYTES: Final = 32 * 2**20


class Lazy(ABC):
    """uint8 pictures (N, S, S), or (N, S, S, C), that are no array: a slice or positions of it are, made when they are asked
    for. The same to the bit as the array would be; safe to ask from several threads.

    `in_memory`: whether asking costs no more than a copy."""

    dtype: Final = np.dtype(np.uint8)
    in_memory: bool = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """What the array would take."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Index) -> Pixels:
        return self.read(np.arange(len(self))[index])

    @abstractmethod
    def read(self, positions: Positions) -> Pixels:
        """The pictures at these positions, each 0 or more, in their order."""


Pictures = Pixels | Lazy


class Chosen(Lazy):
    """Some pictures of one or several sets, whose positions count through, in the order of `positions`."""

    def __init__(self, sources: Sequence[Pictures], positions: Positions) -> None:
        super().__init__((len(positions), *sources[0].shape[1:]))
        self._sources, self._positions = tuple(sources), positions
        self.in_memory = all(in_memory(source) for source in sources)

    def read(self, positions: Positions) -> Pixels:
        wanted = self._positions[positions]
        found = np.empty((len(wanted), *self.shape[1:]), dtype=np.uint8)
        first = 0
        for source in self._sources:
            here = np.flatnonzero((wanted >= first) & (wanted < first + len(source)))
            if len(here):
                found[here] = source[wanted[here] - first]
            first += len(source)
        return found


def chosen(pictures: Pictures, positions: Index) -> Pictures:
    """Some of them, without reading any."""
    if isinstance(positions, slice) and isinstance(pictures, np.ndarray):
        return pictures[positions]
    return Chosen([pictures], np.arange(len(pictures))[positions])


def in_memory(pictures: Pictures) -> bool:
    return not isinstance(pictures, Lazy) or pictures.in_memory


def at_size(pictures: Pictures, size: int) -> Pictures:
    """Of `size` pixels a side: as they are where they are so already, else shrunk, in memory."""
    if pictures.shape[1] == size:
        return pictures
    small = np.empty((len(pictures), size, size), dtype=np.uint8)
    start = 0
    for part in in_turn(pictures):
        small[start : start + len(part)] = shrink(part, size)
        start += len(part)
    return small


def in_turn(pictures: Pictures, step: int = 1) -> Generator[Pixels, None, None]:
    """All of them in order, in parts of a multiple of `step`: of as many as may be held at a time."""
    each = max(1, pictures.nbytes // max(len(pictures), 1))
    size = max(step, min(MOST_PICTURES, MOST_BYTES // each) // step * step)
    return ahead(pictures, [slice(start, start + size) for start in range(0, len(pictures), size)], _as_they_are)


def _as_they_are(pixels: Pixels) -> Pixels:
    return pixels


def ahead(
    pictures: Pictures, plan: Iterable[Index], made: Callable[[Pixels], Made], *, threads: bool = False
) -> Generator[Made, None, None]:
    """What `made` makes of the pictures of each part of the plan, in its order, while the parts after it are being read by
    threads: those of pictures in memory only where `threads` says so. Close it where it is left early."""
    if not threads and in_memory(pictures):
        return (made(pictures[index]) for index in plan)
    return read_ahead(lambda index: made(pictures[index]), plan)


def read_ahead(
    made: Callable[[Given], Made], items: Iterable[Given], *, waiting: int = AHEAD
) -> Generator[Made, None, None]:
    """`made` of each item, in order, while threads are at work on so many after it. An error is raised where its item would
    have come. Close it where it is left early."""
    left = iter(items)
    with ThreadPoolExecutor(READERS, thread_name_prefix="reader") as pool:
        begun = deque(pool.submit(made, item) for item in islice(left, waiting))
        try:
            while begun:
                part = begun.popleft().result()
                begun.extend(pool.submit(made, item) for item in islice(left, 1))
                yield part
                del part
        finally:
            for future in begun:
                future.cancel()
