"""The text of a labels file: UTF-8, UTF-16, or the code page of the machine that wrote it. Pure."""

import codecs
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Windows' pages of Western Europe, Central Europe, Cyrillic, Greek, Turkish; Korean, Japanese, simplified and traditional Chinese.
# The first that fits is taken, so the most used ones come first.
CODE_PAGES: Final = ("cp1252", "cp949", "cp932", "gb18030", "cp950", "cp1250", "cp1251", "cp1253", "cp1254")
MAX_WORDS: Final = 2000
_BEGINNING: Final = 400


class NotText(Exception):
    """The bytes are no text in any form that is known; the message continues "The labels file ..."."""


def encoding_of(data: bytes, words: Iterable[str] = (), *, whole: bool = True) -> tuple[str, str]:
    """The encoding, and the same where it had to be guessed (else empty). `words`: class and file names that the text probably
    holds, by which code pages are told from one another. `whole`: whether `data` is all of the text, or only its beginning, which
    is not tried out: then the text is UTF-8, or says what it is. NotText."""
    said = _marked(data)
    if not whole:
        return said or "utf-8", ""
    try:
        data.decode(said or "utf-8")
    except UnicodeDecodeError as error:
        if said:
            raise NotText("ends or breaks off in the middle of a character. Save it again as UTF-8.") from error
    else:
        return said or "utf-8", ""
    guess = _wide(data) or _code_page(data, [word for word in words if not word.isascii()][:MAX_WORDS])
    if guess is None:
        raise NotText("is not UTF-8 text. Save it again as UTF-8.")
    return guess, guess


def _marked(data: bytes) -> str | None:
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of a text in Latin letters is zero."""
    first = data[:_BEGINNING]
    for name, zeros in (("utf-16-le", first[1::2]), ("utf-16-be", first[0::2])):
        if zeros and zeros.count(0) > len(zeros) * 0.8 and _fits(data, name):
            return name
    return None


def _code_page(data: bytes, words: Sequence[str]) -> str | None:
    if b"\0" in data[:_BEGINNING]:
        return None
    fitting = [name for name in CODE_PAGES if _fits(data, name)]
    # max() takes the first of equals.
    return max(fitting, key=lambda name: sum(_holds(data, word, name) for word in words), default=None)


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _holds(data: bytes, word: str, encoding: str) -> bool:
    try:
        return unicodedata.normalize("NFC", word).encode(encoding) in data
    except UnicodeEncodeError:
        return False
