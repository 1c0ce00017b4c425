"""A stream of untrusted bytes that is counted while it is read. Pure."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Limited(io.RawIOBase):
    """`count` gets the bytes of each part and of all so far, and raises where they are too many; of the errors `unreadable` of the
    source it raises what `damaged` makes."""

    def __init__(
        self,
        source: BinaryIO,
        count: Callable[[int, int], None],
        unreadable: tuple[type[Exception], ...],
        damaged: Callable[[], Exception],
    ) -> None:
        self._source, self._count, self._size = source, count, 0
        self._unreadable, self._damaged = unreadable, damaged

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer", /) -> int:
        view = memoryview(target).cast("B")
        try:
            data = self._source.read(len(view))
        except self._unreadable as error:
            raise self._damaged() from error
        self._size += len(data)
        self._count(len(data), self._size)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()
