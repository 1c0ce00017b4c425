"""A file is what its bytes say."""

import io
import zipfile

import pytest
from PIL import Image

from images.decoding import CONTENT_TYPES, sniff
from tests.images.decoding.conftest import encode


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
def test_a_picture_is_known_by_its_first_bytes(fmt):
    assert sniff(encode(Image.new("L", (8, 8)), fmt)[:132]) == fmt
    assert CONTENT_TYPES[fmt] == f"image/{fmt.lower()}"


def test_big_endian_and_big_tiff_are_tiff():
    assert sniff(b"MM\x00*" + bytes(20)) == "TIFF"
    assert sniff(encode(Image.new("L", (8, 8)), "TIFF", big_tiff=True)) == "TIFF"


def test_dicom_is_known_behind_any_preamble_even_that_of_a_tiff():
    assert sniff(bytes(128) + b"DICM") == "DICOM"
    assert sniff((b"II*\x00" + bytes(124)) + b"DICM") == "DICOM"


def test_a_zip_is_known_also_when_it_is_empty():
    for members in ([], ["a.txt"]):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in members:
                archive.writestr(name, "x")
        assert sniff(buffer.getvalue()) == "ZIP"


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"\xff\xd8", b"\x89PNG", b"GIF89a", b"BM", b"%PDF-1.7", b"SIMPLE  =", bytes(200)]
)
def test_anything_else_is_nothing(head):
    assert sniff(head) is None
