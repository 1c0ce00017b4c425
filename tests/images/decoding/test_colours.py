"""Colours that the header names wrongly, or that are written in a rare way, are shown as the picture has them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import convert_color_space

from images.decoding import Decoded
from tests.images.decoding.codestreams import codestream, pattern
from tests.images.decoding.conftest import encode, opened
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, in_syntax, packed, written

ROWS, COLUMNS = 48, 64
PATCHES = np.zeros((ROWS, COLUMNS, 3), np.uint8)
PATCHES[:, :16], PATCHES[:, 16:32], PATCHES[:, 32:48], PATCHES[:, 48:] = (
    (200, 30, 30), (30, 180, 40), (40, 50, 200), (128, 128, 128),
)  # fmt: skip
INSIDE = np.s_[8:-8, [8, 24, 40, 56]]


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition)).astype(int)


def stream(*, subsampling: int, rgb: bool = False, jfif: bool = False, adobe: int | None = None) -> bytes:
    """A baseline JPEG of PATCHES with no other word about its colours than those asked for; components are 1, 2, 3."""
    options = {"quality": 95, "subsampling": subsampling} | ({"keep_rgb": True} if rgb else {})
    data = encode(Image.fromarray(PATCHES), "JPEG", **options)
    out, at = b"\xff\xd8", 2
    while data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        out += data[at:end] if data[at + 1] not in (0xE0, 0xEE) else b""
        at = end
    out += data[at:]
    if rgb:
        out = numbered(out)
    marks = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0" if jfif else b""
    marks += b"" if adobe is None else b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + bytes([adobe])
    return out[:2] + marks + out[2:]


def numbered(data: bytes) -> bytes:
    """Pillow names the components of an RGB picture R, G, B: here they are 1, 2, 3."""
    out = bytearray(data)
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    for number in range(3):
        out[frame + 10 + 3 * number] = out[scan + 5 + 2 * number] = number + 1
    return bytes(out)


@pytest.mark.parametrize(
    ("coded", "header", "is_named"),
    [
        (stream(subsampling=2), "RGB", True),
        (stream(subsampling=1), "RGB", True),
        (stream(subsampling=2, jfif=True), "RGB", True),
        (stream(subsampling=0, jfif=True), "RGB", True),
        (stream(subsampling=0, adobe=1), "RGB", True),
        (stream(subsampling=0, rgb=True), "RGB", False),
        (stream(subsampling=0, rgb=True, adobe=0), "RGB", False),
        (stream(subsampling=0, rgb=True, adobe=0), "YBR_FULL_422", True),
        (encode(Image.fromarray(PATCHES), "JPEG", quality=95, keep_rgb=True), "YBR_FULL", True),
        (stream(subsampling=2), "YBR_FULL_422", False),
        (stream(subsampling=0), "YBR_FULL", False),
        (stream(subsampling=2, jfif=True), "YBR_FULL_422", False),
    ],
)
def test_a_jpeg_is_shown_in_the_colours_it_has(pool, coded, header, is_named):
    data = packed([coded], PATCHES, uid.JPEGBaseline8Bit, PhotometricInterpretation=header)
    decoded = decode(pool, data)
    assert np.abs(shown(decoded)[INSIDE] - PATCHES[INSIDE]).max() <= 10
    assert any("header says that the colours" in note for note in decoded.notes) == is_named


@pytest.mark.parametrize("syntax", [uid.UID("1.2.840.10008.1.2.4.55"), uid.UID("1.2.840.10008.1.2.4.53")])
@pytest.mark.parametrize("colour", [False, True])
def test_a_progressive_jpeg_is_read(pool, syntax, colour):
    values = PATCHES if colour else np.ascontiguousarray(PATCHES[..., 0])
    coded = encode(Image.fromarray(values), "JPEG", quality=95, progressive=True, comment=b"DOE^JANE")
    tags = {"PhotometricInterpretation": "YBR_FULL_422"} if colour else {}
    decoded = decode(pool, packed([coded], values, syntax, **tags))
    assert np.abs(shown(decoded)[INSIDE] - values[INSIDE]).max() <= 10
    assert np.array_equal(shown(pool.decode(decoded.stored, own=True)), shown(decoded))
    assert b"DOE^JANE" not in decoded.stored


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEG2000])
@pytest.mark.parametrize("header", ["RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL"])
def test_a_jpeg_2000_whose_decoder_undoes_its_transform_is_rgb(pool, syntax, header):
    options = {} if syntax == uid.JPEG2000Lossless else {"j2k_psnr": [50]}

    def compressed(source: FileDataset) -> None:
        source.PhotometricInterpretation = "YBR_RCT" if syntax == uid.JPEG2000Lossless else "YBR_ICT"
        source.compress(syntax, **options)
        source.PhotometricInterpretation = header

    decoded = decode(pool, edited(dicom(PATCHES), compressed))
    assert np.abs(shown(decoded)[INSIDE] - PATCHES[INSIDE]).max() <= 4
    assert any("header says" in note for note in decoded.notes) == (header == "YBR_FULL")


@pytest.mark.parametrize("header", ["RGB", "YBR_FULL"])
def test_a_jpeg_2000_without_a_transform_is_what_the_header_says(pool, header):
    values = PATCHES if header == "RGB" else convert_color_space(PATCHES, "RGB", "YBR_FULL")

    def compressed(source: FileDataset) -> None:
        source.PhotometricInterpretation = "RGB"
        source.compress(uid.JPEG2000Lossless)
        source.PhotometricInterpretation = header

    assert np.abs(shown(decode(pool, edited(dicom(values), compressed))) - PATCHES).max() <= 2


def test_colours_are_read_in_every_byte_order_and_by_planes(pool):
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian):
        assert np.array_equal(shown(decode(pool, in_syntax(PATCHES, syntax))), PATCHES)


def test_partial_ybr_is_read(pool):
    red, green, blue = (PATCHES[..., channel].astype(float) for channel in range(3))
    luma = 16 + 0.2568 * red + 0.5041 * green + 0.0979 * blue
    blues, reds = (
        128 - 0.1482 * red - 0.2910 * green + 0.4392 * blue,
        128 + 0.4392 * red - 0.3678 * green - 0.0714 * blue,
    )
    pairs = [np.rint(part).astype(np.uint8).reshape(-1, 2) for part in (luma, blues, reds)]
    content = np.stack([pairs[0][:, 0], pairs[0][:, 1], pairs[1][:, 0], pairs[2][:, 0]], axis=1).tobytes()

    def partial(source: FileDataset) -> None:
        source.PhotometricInterpretation, source.PixelData = "YBR_PARTIAL_422", content

    assert np.abs(shown(decode(pool, edited(dicom(PATCHES), partial)))[INSIDE] - PATCHES[INSIDE]).max() <= 2


def test_padding_means_nothing_in_colour(pool):
    decoded = decode(pool, dicom(PATCHES, PixelPaddingValue=200))
    assert np.array_equal(shown(decoded), PATCHES)
    assert decoded.notes == ()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_colour_in_a_file_of_16_bits_is_not_black(pool, bits):
    deep = np.stack([pattern(), pattern()[::-1], pattern()[:, ::-1]], axis=2)
    deep = deep >> 2 if bits == 10 else deep
    decoded = decode(pool, dicom(deep))
    assert np.array_equal(shown(decoded), deep >> (2 if bits == 10 else 4))
    assert any(f"of which {10 if bits == 10 else 12} are used" in note for note in decoded.notes)


def test_deep_grey_that_is_saved_as_colour_is_windowed_like_grey(pool):
    decoded = decode(pool, dicom(np.repeat((pattern() // 9)[..., None], 3, axis=2)))
    assert len(np.unique(shown(decoded))) > 150
    assert any("Values from" in note for note in decoded.notes)


def with_palette(entries: list[np.ndarray], descriptor: list[int], values: np.ndarray) -> Dataset:
    made = dataset(values, PhotometricInterpretation="PALETTE COLOR")
    for colour, table in zip(("Red", "Green", "Blue"), entries, strict=True):
        made.add(DataElement(f"{colour}PaletteColorLookupTableDescriptor", "US", descriptor))
        made.add(DataElement(f"{colour}PaletteColorLookupTableData", "OW", table.tobytes()))
    return made


RAMPS = [np.arange(4096) * step // 16 % 256 for step in (1, 2, 3)]


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize(
    ("bits", "dtype", "factor"), [(8, "u1", 1), (8, "u2", 1), (16, "u2", 257), (16, "u2", 256), (16, "u2", 1)]
)
def test_a_palette_is_read_however_it_is_written(pool, bits, dtype, factor, syntax):
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    tables = [(ramp * factor).astype(dtype if dtype == "u1" else order + dtype) for ramp in RAMPS]
    if dtype == "u1" and order == ">":
        tables = [table.reshape(-1, 2)[:, ::-1].ravel() for table in tables]
    made = with_palette(tables, [4096, 0, bits], pattern())
    made.file_meta.TransferSyntaxUID = syntax
    if order == ">":
        made["PixelData"].value = pattern().astype(">u2").tobytes()
    expected = np.stack([ramp[pattern()] for ramp in RAMPS], axis=2)
    decoded = decode(pool, written(made))
    assert np.array_equal(shown(decoded), expected)
    assert np.array_equal(shown(pool.decode(decoded.stored, own=True)), expected)


def test_a_palette_without_colours_is_refused(pool):
    made = dataset((pattern() >> 4).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(Exception, match="palette without colours"):
        decode(pool, written(made))


@pytest.mark.parametrize("trailer", [b"\xff" * 200, b" " * 200, b"\0" * 200, b"made by a tool " * 20])
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEG2000Lossless])
def test_what_follows_the_end_of_a_codestream_is_ignored(pool, trailer, syntax):
    grey = np.ascontiguousarray(PATCHES[..., 0])
    if syntax == uid.JPEGBaseline8Bit:
        coded = encode(Image.fromarray(grey), "JPEG", quality=95)
    else:
        source = dcmread(io.BytesIO(dicom(grey)))
        source.compress(syntax)
        coded = get_frame(source.PixelData, 0, number_of_frames=1).rstrip(b"\0")
    expected = shown(decode(pool, packed([coded], grey, syntax)))
    assert np.array_equal(shown(decode(pool, packed([coded + trailer], grey, syntax))), expected)


@pytest.mark.parametrize("name", ["baseline", "lossless"])
def test_eight_bits_in_a_file_of_sixteen_are_read(pool, name):
    values = (pattern() >> 4).astype(np.uint8)
    coded = codestream("jpeg_lossless_8") if name == "lossless" else encode(Image.fromarray(values), "JPEG", quality=95)
    syntax = uid.JPEGLosslessSV1 if name == "lossless" else uid.JPEGBaseline8Bit
    narrow = decode(pool, packed([coded], values, syntax))
    wide = decode(pool, packed([coded], values.astype(np.uint16), syntax, BitsStored=8))
    assert np.array_equal(shown(wide), shown(narrow))
    assert np.abs(shown(wide) - values).max() <= (0 if name == "lossless" else 40)
