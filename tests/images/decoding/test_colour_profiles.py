"""Pictures with a colour profile are shown in sRGB; of the profile of a DICOM file nothing but numbers is kept."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom import DataElement, Dataset, dcmread
from pydicom.sequence import Sequence

from images.decoding import icc
from tests.images.decoding.conftest import encode, opened
from tests.images.decoding.dicoms import dataset, decode, written
from tests.images.decoding.test_deidentify import PLANTED

NAMES = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
# Adobe RGB (1998), section 4.3.4: the primaries adapted to D50, and its gamma.
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PATCHES = np.zeros((40, 40, 3), np.uint8)
PATCHES[:20, :20], PATCHES[:20, 20:], PATCHES[20:, :20], PATCHES[20:, 20:] = (
    (180, 60, 70), (60, 160, 70), (60, 80, 180), (128, 128, 128),
)  # fmt: skip


def profile(*, text: str = "", version: int = 2, colours=ADOBE, gamma: float = 563 / 256) -> bytes:
    """A matrix profile written by hand, with `text` wherever one may stand."""
    words = text.encode() + b"\0"
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78)}
    tags |= {b"cprt": b"text" + bytes(4) + words, b"dmnd": b"text" + bytes(4) + words}
    fixed = [b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in row)) for row in colours]
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + words
    tags |= dict(zip(NAMES, (*fixed, curve, curve, curve), strict=True))
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4s4B", at + len(body), b"ACME", version, 0, 0, 0) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = (head + bytes(8) + text.encode()[:8].ljust(8)).ljust(68, b"\0") + icc._D50 + text.encode()[:4].ljust(4)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def adobe_to_srgb(colour) -> np.ndarray:
    """The arithmetic of both standards (IEC 61966-2-1 for sRGB), with D65 as the white of both."""
    adobe = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    srgb = np.array([[3.24096994, -1.53738318, -0.49861076], [-0.96924364, 1.8759675, 0.04155506],
                     [0.05563008, -0.20397696, 1.05697151]])  # fmt: skip
    linear = srgb @ adobe @ (np.array(colour) / 255) ** (563 / 256)
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def check(decoded) -> None:
    found = np.asarray(opened(decoded.rendition)).astype(int)
    for place, colour in (((10, 10), PATCHES[0, 0]), ((10, 30), PATCHES[0, 30]), ((30, 10), PATCHES[30, 0])):
        assert np.abs(found[place] - adobe_to_srgb(colour)).max() <= 4
        assert np.abs(found[place] - colour.astype(int)).max() > 8
    assert any("colour profile" in note for note in decoded.notes)


def coloured(icc_profile: bytes, **tags) -> Dataset:
    made = dataset(PATCHES, **tags)
    made.add(DataElement("ICCProfile", "OB", icc_profile + b"\0" * (len(icc_profile) % 2)))
    return made


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "TIFF"])
def test_a_picture_of_another_colour_space_is_shown_in_srgb(pool, fmt):
    options = {"quality": 98, "subsampling": 0} if fmt == "JPEG" else {}
    data = encode(Image.fromarray(PATCHES), fmt, icc_profile=profile(), **options)
    check(pool.decode(data))


@pytest.mark.parametrize("version", [2, 4])
def test_a_dicom_file_keeps_its_colours_and_no_text_of_its_profile(pool, version):
    decoded = decode(pool, written(coloured(profile(text=PLANTED, version=version))))
    check(decoded)
    kept = dcmread(io.BytesIO(decoded.stored))
    assert PLANTED.encode() not in decoded.stored and b"ACME" not in kept.ICCProfile
    assert (kept.pixel_array == PATCHES).all()
    again = decode(pool, decoded.stored)
    assert np.array_equal(np.asarray(opened(again.rendition)), np.asarray(opened(decoded.rendition)))
    assert dcmread(io.BytesIO(again.stored)).ICCProfile == kept.ICCProfile
    assert ImageCms.ImageCmsProfile(io.BytesIO(kept.ICCProfile)).profile.profile_description == "Colour profile"


def test_the_profile_of_a_slide_lies_in_its_optical_path(pool):
    made = dataset(PATCHES)
    path = Dataset()
    path.add(DataElement("ICCProfile", "OB", profile(text=PLANTED)))
    made.OpticalPathSequence = Sequence([path])
    decoded = decode(pool, written(made))
    check(decoded)
    assert PLANTED.encode() not in decoded.stored


def test_srgb_grey_and_what_is_no_profile_change_nothing(pool):
    plain = np.asarray(opened(pool.decode(encode(Image.fromarray(PATCHES), "PNG")).rendition))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for bytes_of in (srgb, b"no profile at all" * 20, profile()[:200]):
        decoded = pool.decode(encode(Image.fromarray(PATCHES), "PNG", icc_profile=bytes_of))
        assert np.array_equal(np.asarray(opened(decoded.rendition)), plain)
        assert any("cannot be read" in note for note in decoded.notes) == (bytes_of is not srgb)
    grey = Image.fromarray(np.repeat(PATCHES[..., :1], 3, axis=2))
    assert opened(pool.decode(encode(grey, "PNG", icc_profile=profile())).rendition).mode == "L"


def test_a_profile_that_cannot_be_cut_down_is_removed_and_named(pool):
    for bad in (b"x" * 300, profile(text=PLANTED)[:140], profile().replace(b"RGB XYZ", b"CMYKLab")):
        decoded = decode(pool, written(coloured(bad)))
        assert "ICCProfile" not in dcmread(io.BytesIO(decoded.stored))
        assert any("cannot be read" in note for note in decoded.notes)


def test_a_profile_with_tables_keeps_them():
    clut = np.arange(2**3 * 3, dtype=np.uint16).tobytes()
    table = b"mft2" + bytes(4) + bytes([3, 3, 2, 0]) + bytes(36) + struct.pack(">HH", 2, 2)
    table += struct.pack(">6H", *(0, 65535) * 3) + clut + struct.pack(">6H", *(0, 65535) * 3)
    source = profile()
    head, at = source[:128], 144
    made = head + struct.pack(">I4sII", 1, b"A2B0", at, len(table) + len(PLANTED)) + table + PLANTED.encode()
    cut = icc.numbers_of(made)
    assert table in cut and PLANTED.encode() not in cut
    assert icc.numbers_of(cut) == cut
