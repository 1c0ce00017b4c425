"""Consecutive pieces read as one file. Pure."""

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 1 << 18


class _Joined(io.RawIOBase):
    """Only the piece being read is open. `sizes`: bytes of each piece; `open_piece`: opens the piece of that number."""

    def __init__(self, sizes: Sequence[int], open_piece: Callable[[int], BinaryIO]) -> None:
        self._open_piece = open_piece
        self._starts: list[int] = []
        self._size = 0
        for size in sizes:
            self._starts.append(self._size)
            self._size += size
        self._position = 0
        self._number = -1
        self._piece: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        target = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence] + offset
        if target < 0:
            raise ValueError(f"Cannot seek to {target}: before the start of the file.")
        self._position = target
        return target

    def readinto(self, target: "WriteableBuffer", /) -> int:
        if self._position >= self._size:
            return 0
        number = bisect_right(self._starts, self._position) - 1
        piece = self._at(number)
        piece.seek(self._position - self._starts[number])
        view = memoryview(target).cast("B")
        data = piece.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if self._piece is not None:
            self._piece.close()
            self._piece = None
        super().close()

    def _at(self, number: int) -> BinaryIO:
        if self._piece is None or number != self._number:
            if self._piece is not None:
                self._piece.close()
            self._piece, self._number = self._open_piece(number), number
        return self._piece


def joined(sizes: Sequence[int], open_piece: Callable[[int], BinaryIO]) -> BinaryIO:
    """A seekable file of all pieces. Closing it closes what is open."""
    return cast(BinaryIO, io.BufferedReader(_Joined(sizes, open_piece), BUFFER))
