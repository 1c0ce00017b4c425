"""Files made of the frames or pages of one file, as many as go into one answer of a child."""

from typing import Final

from images.decoding.errors import Undecodable

_ENOUGH_BYTES: Final = 32 * 2**20
_ENOUGH_FILES: Final = 64


class Parts:
    """`count`: how many frames the whole file has; Undecodable where there are more than `most`."""

    def __init__(self, count: int, most: int) -> None:
        if count > most:
            raise Undecodable(
                "too_large",
                f"The file has {count} frames or pages; at most {most} are taken apart. Export fewer at a time.",
            )
        self.count = count
        self.files: list[bytes] = []

    @property
    def is_full(self) -> bool:
        return len(self.files) >= _ENOUGH_FILES or sum(map(len, self.files)) >= _ENOUGH_BYTES

    def add(self, file: bytes) -> None:
        self.files.append(file)
