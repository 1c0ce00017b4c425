"""A labels file as a text that is read piece by piece, packed or not, in whatever encoding. Pure."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, TextIO, cast

from labeling.imports.encodings import NotText, encoding_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Enough for the largest public sets (PadChest: 160,868 rows with reports).
MAX_BYTES: Final = 512 * 2**20
# Of a larger file the letters are not tried one code page after the other: it has to be UTF-8, or to say what it is.
MAX_GUESSED_BYTES: Final = 20 * 2**20
PACKED: Final = ".gz"
REMEDY: Final = "Keep the rows of the pictures that you send, or split the data set."
_NOT_TEXT: Final = "The labels file is not UTF-8 text. Save it again as UTF-8."
_CUT: Final = "The labels file is damaged or cut off. Pack it again, or send it unpacked."

# Opens the file at its beginning; whoever opens it closes it.
Opener = Callable[[], BinaryIO]


class ManifestError(Exception):
    """The labels file as a whole cannot be used."""


@dataclass(frozen=True)
class Text:
    """A text that can be read several times. `guessed`: its encoding where the file does not say it."""

    open_file: Opener
    encoding: str
    guessed: str

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """Whatever is wrong with the bytes is a ManifestError."""
        try:
            with self.open_file() as raw, io.TextIOWrapper(raw, self.encoding, newline="") as text:
                yield text
        except UnicodeDecodeError as error:
            raise ManifestError(_NOT_TEXT) from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ManifestError(_CUT) from error


def text_of(open_file: Opener, words: Iterable[str] = (), *, packed: bool = False) -> Text:
    """The text, whose encoding is found out now. `words`: see `encodings.encoding_of`. ManifestError."""
    opener: Opener = partial(_unpacked, open_file) if packed else open_file
    try:
        with opener() as source:
            first = source.read(MAX_GUESSED_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ManifestError(_CUT) from error
    try:
        encoding, guessed = encoding_of(first, words, whole=len(first) <= MAX_GUESSED_BYTES)
    except NotText as error:
        raise ManifestError(f"The labels file {error}") from error
    return Text(lambda: cast(BinaryIO, _Counted(opener())), encoding, guessed)


def _unpacked(open_file: Opener) -> BinaryIO:
    return cast(BinaryIO, _Unpacked(open_file()))


class _Unpacked(gzip.GzipFile):
    """Closes what it unpacks."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw = raw

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Counted(io.RawIOBase):
    """Gives no more than MAX_BYTES, however small the file is packed."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._left = source, MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer", /) -> int:
        view = memoryview(target).cast("B")
        data = self._source.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise ManifestError(f"The labels file is larger than {MAX_BYTES // 2**20} MiB. {REMEDY}")
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()
