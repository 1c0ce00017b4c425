"""What a file of a data set is, by its name and first bytes: a scan, or what lies beside the scans of a CD. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from images.decoding.formats import PICTURES, SNIFF_BYTES, sniff, suffixes

DICOM_SUFFIXES: Final = (".dcm", ".dic", ".dicom", ".ima", ".img", ".dc3")
PICTURE_SUFFIXES: Final = suffixes(PICTURES)
# ISO 9660 writes versions behind names (ECMA-119 section 7.5).
_INDEX: Final = re.compile(r"dicomdir\.?(;1)?", re.IGNORECASE)
# The class UID of a DICOMDIR (PS3.4 section B.5) in its meta information, which is always explicit little endian.
_DIRECTORY_CLASS: Final = b"1.2.840.10008.1.3.10"
META_BYTES: Final = 512
# How many files of unknown kind are looked into to see whether a ZIP is a file-set.
LOOKED_INTO: Final = 50


class Kind(StrEnum):
    """What is passed over beside scans; the value is how a person calls it."""

    INDEX = "index of a DICOM file-set (DICOMDIR)"
    PROGRAM = "program of a viewer"
    DOCUMENT = "readme, document or web page"
    DATA = "description (XML, JSON, table)"
    CHECKSUM = "checksum"
    PREVIEW = "small picture of a viewer or web page"
    OTHER = "other file beside the scans"


_BY_SUFFIX: Final = {
    suffix: kind
    for kind, names in {
        Kind.PROGRAM: "exe dll jar inf ico bat cmd com cab msi msu so dylib class bin ini cfg conf properties lnk sys ocx app"
        " sh command pkg dmg desktop plist icns manifest config lic key dat db sqlite lng lang res ttf otf cur mdb pak",
        Kind.DOCUMENT: "txt md rtf pdf doc docx htm html xhtml css js chm hlp odt rst url xsl xslt dtd log mht ps",
        Kind.DATA: "xml json csv tsv xsd yaml yml xls xlsx",
        Kind.CHECKSUM: "md5 md5sum sha1 sha256 sha512 sfv crc asc sig sum",
        Kind.PREVIEW: "gif bmp svg webp",
    }.items()
    for suffix in names.split()
}
_DOCUMENTS: Final = re.compile(r"(readme|lies_?mich|lisez_?moi|leame|leggimi|license|licence|copying|notice)\b.*", re.I)
_CHECKSUMS: Final = re.compile(r"(md5|sha1|sha256|sha512)sums?(\..*)?|checksums?(\..*)?", re.I)
# XNAT keeps small GIFs of each scan here; IHE PDI keeps web pages and their pictures in IHE_PDI.
_PREVIEW_FOLDERS: Final = ("snapshots", "thumbnails", "ihe_pdi")


def is_index(path: str) -> bool:
    """Whether the name is that of a DICOMDIR (PS3.10 section 8.6)."""
    return _INDEX.fullmatch(path.rsplit("/", 1)[-1]) is not None


def is_index_data(data: bytes) -> bool:
    """The same by the first META_BYTES of a file under any name."""
    return sniff(data[:SNIFF_BYTES]) == "DICOM" and _DIRECTORY_CLASS in data[:META_BYTES]


def is_picture_name(path: str) -> bool:
    return path.lower().endswith(PICTURE_SUFFIXES)


def is_dicom_name(path: str) -> bool:
    return path.lower().removesuffix(";1").endswith(DICOM_SUFFIXES)


def beside(path: str) -> Kind | None:
    """What a file is by name, if it is no scan by name; None where only its bytes can tell."""
    *folders, name = path.lower().removesuffix(";1").split("/")
    suffix = name.rpartition(".")[2] if "." in name else ""
    if is_index(path):
        return Kind.INDEX
    if _CHECKSUMS.fullmatch(name):
        return Kind.CHECKSUM
    if _DOCUMENTS.fullmatch(name):
        return Kind.DOCUMENT
    if any(folder in _PREVIEW_FOLDERS for folder in folders) and (is_picture_name(name) or suffix in _BY_SUFFIX):
        return Kind.PREVIEW
    return _BY_SUFFIX.get(suffix)


def is_file_set(paths: Sequence[str], head: Callable[[str], bytes]) -> bool:
    """Whether DICOM files are among them: by DICOMDIR, by their names, or by the first bytes (`head`) of some whose names say
    nothing."""
    if any(is_index(path) or is_dicom_name(path) for path in paths):
        return True
    unknown = [path for path in paths if not is_picture_name(path) and beside(path) is None]
    return any(sniff(head(path)[:SNIFF_BYTES]) == "DICOM" for path in _spread(unknown))


def _spread(paths: Sequence[str]) -> Iterable[str]:
    return paths[:: len(paths) // LOOKED_INTO + 1]
