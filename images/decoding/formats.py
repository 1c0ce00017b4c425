"""The formats of files: one row for each, from which what is done by format derives. Told by the first bytes, never by name.

The web processes read this table too, so nothing here imports a decoder. To add a format: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from images import plain
from images.decoding import containers
from images.decoding.errors import Undecodable


class UnsupportedFormatError(LookupError):
    """A format was asked for something that its row in FORMATS does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How files of a format that Pillow reads are handled. Nothing guards by default: each function says what it does.

    plugins: Pillow's modules for it, imported before the child may no longer open files. count: walks over the parts of a
    file, Undecodable for more than a picture needs; gives the pages, 1 where a format has none. check: Undecodable where
    the file is not whole and Pillow would not say so. ends_early: whether a file that Pillow cannot read was cut off.
    clean: the file without anything but its picture, for exports. part: what one of its pictures is called.
    """

    plugins: tuple[str, ...]
    count: Callable[[bytes], int]
    check: Callable[[bytes], None]
    ends_early: Callable[[bytes], bool]
    clean: Callable[[bytes], bytes]
    part: str = "Frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """`name` is Pillow's, and the one that is stored with a scan. A file begins with one of `marks` at `offset`.

    suffixes: endings of names, the first for files that leave. splits: whether its frames or pages can become scans of
    their own. refusal: what to do with a file of a format that is known but holds no picture."""

    name: str
    content_type: str
    suffixes: tuple[str, ...]
    marks: tuple[bytes, ...]
    offset: int = 0
    picture: Picture | None = None
    splits: bool = False
    refusal: str = ""


_ROWS: Final = (
    FileFormat(
        name="JPEG",
        content_type="image/jpeg",
        suffixes=(".jpg", ".jpeg"),
        marks=(b"\xff\xd8\xff",),
        picture=Picture(
            plugins=("JpegImagePlugin", "MpoImagePlugin"),
            count=containers.jpeg_parts,
            check=containers.nothing,
            ends_early=containers.jpeg_ends_early,
            clean=plain.jpeg,
        ),
    ),
    FileFormat(
        name="PNG",
        content_type="image/png",
        suffixes=(".png",),
        marks=(b"\x89PNG\r\n\x1a\n",),
        picture=Picture(
            plugins=("PngImagePlugin",),
            count=containers.png_parts,
            check=containers.check_png,
            ends_early=containers.png_ends_early,
            clean=plain.png,
        ),
    ),
    FileFormat(
        name="TIFF",
        content_type="image/tiff",
        suffixes=(".tif", ".tiff"),
        marks=(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),  # with + BigTIFF
        splits=True,
        picture=Picture(
            plugins=("TiffImagePlugin",),
            count=containers.tiff_pages,
            check=containers.nothing,
            ends_early=containers.never,
            clean=plain.tiff,
            part="Page",
        ),
    ),
    FileFormat(
        name="DICOM",
        content_type="application/dicom",
        suffixes=(".dcm",),
        marks=(b"DICM",),
        offset=128,  # behind a preamble
        splits=True,
    ),
    FileFormat(
        name="ZIP",
        content_type="application/zip",
        suffixes=(".zip",),
        marks=(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"),  # the others: without members, in several volumes
        refusal="This is a ZIP archive, not a picture. Use the ZIP import to upload many scans at once.",
    ),
)

FORMATS: Final = {row.name: row for row in _ROWS}
PICTURES: Final = tuple(row.name for row in _ROWS if row.picture)
DECODABLE: Final = (*PICTURES, "DICOM")
SPLITTABLE: Final = tuple(row.name for row in _ROWS if row.splits)
CONTENT_TYPES: Final = {row.name: row.content_type for row in _ROWS}
SNIFF_BYTES: Final = max(row.offset + len(mark) for row in _ROWS for mark in row.marks)
# As a person reads them: in a label, and in a sentence.
LISTED: Final = ", ".join(sorted(DECODABLE))
IN_A_SENTENCE: Final = f"{', '.join(DECODABLE[:-1])} or {DECODABLE[-1]}"


def sniff(head: bytes) -> str | None:
    """Name the format of a file from its first bytes (SNIFF_BYTES of them are enough), or None.

    Marks that lie deep go first: the preamble of DICOM may be anything, also the start of a TIFF file (PS3.10 section 7.1).
    """
    rows = sorted(_ROWS, key=lambda row: -row.offset)
    return next((row.name for row in rows if head.startswith(row.marks, row.offset)), None)


def is_zip(file: BinaryIO) -> bool:
    """Told by the first bytes, whatever the name says; the file is at its start again."""
    marks = FORMATS["ZIP"].marks
    head = file.read(max(map(len, marks)))
    file.seek(0)
    return head.startswith(marks)


def picture(name: str) -> Picture:
    """How files of this format are handled by Pillow. UnsupportedFormatError for any other."""
    row = FORMATS.get(name)
    if row is None or row.picture is None:
        raise UnsupportedFormatError(f"{name} is no format that Pillow reads for us; it reads {', '.join(PICTURES)}.")
    return row.picture


def suffixes(names: Iterable[str] = DECODABLE) -> tuple[str, ...]:
    """The endings of file names of these formats."""
    return tuple(suffix for name in names for suffix in FORMATS[name].suffixes)


def unsupported(name: str | None) -> Undecodable:
    """The error for a file that is not of a format with pictures; `name` as `sniff` gives it."""
    known = FORMATS[name].refusal if name else ""
    detail = f"This is not a {IN_A_SENTENCE} file. Export the scan in one of these and upload it."
    return Undecodable("unsupported_format", known or detail)
