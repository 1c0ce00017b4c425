"""What is done by format comes from one table: a format that is missing anywhere is reported here."""

import io
import re
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image

from images.decoding import formats, render
from images.decoding.errors import Undecodable
from images.models import Image as Scan
from tests.conftest import scan_bytes

ROOT = Path(settings.BASE_DIR)


def drawn(name: str) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(scan_bytes(1))).save(out, name)
    return out.getvalue()


@pytest.mark.parametrize("name", formats.PICTURES)
def test_a_file_of_each_picture_format_is_told_walked_checked_and_cleaned(name):
    data, known = drawn(name), formats.picture(name)
    assert formats.sniff(data[: formats.SNIFF_BYTES]) == name
    assert known.count(data) == 1
    known.check(data)
    assert not known.ends_early(data)
    cleaned = known.clean(data)
    assert formats.sniff(cleaned) == name
    assert Image.open(io.BytesIO(cleaned)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("name", formats.PICTURES)
def test_words_that_pillow_writes_into_a_file_of_each_format_are_cleaned_away(name):
    out, tags = io.BytesIO(), Image.Exif()
    tags[0x010E] = "DOE^JANE"
    Image.open(io.BytesIO(scan_bytes(1))).save(out, name, exif=tags, lossless=True)
    assert b"DOE^JANE" in out.getvalue()
    assert b"DOE^JANE" not in formats.picture(name).clean(out.getvalue())


def test_no_two_formats_begin_alike():
    heads = [(row.offset, mark) for row in formats.FORMATS.values() for mark in row.marks]
    assert len(heads) == len(set(heads))
    assert all(row.marks and row.suffixes and row.content_type.count("/") == 1 for row in formats.FORMATS.values())


def test_what_the_table_says_of_splitting_has_its_function():
    assert set(render._SPLITTERS) == set(formats.SPLITTABLE)


@pytest.mark.parametrize("name", ["DICOM", "ZIP", "GIF", ""])
def test_what_pillow_does_not_read_for_us_is_refused_loudly(name):
    with pytest.raises(formats.UnsupportedFormatError, match="no format that Pillow reads"):
        formats.picture(name)


def test_the_refusal_names_every_format():
    sentence = formats.unsupported(None).detail
    assert all(name in sentence for name in formats.DECODABLE)
    with pytest.raises(Undecodable, match="ZIP import"):
        raise formats.unsupported("ZIP")


def test_every_format_fits_into_its_column():
    assert max(map(len, formats.DECODABLE)) <= Scan._meta.get_field("image_format").max_length


@pytest.mark.parametrize("document", ["README.md", "docs/privacy.md", "docs/api-errors.md"])
def test_the_documents_name_every_format(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [name for name in formats.DECODABLE if not re.search(rf"\b{name}\b", text, re.IGNORECASE)] == []
