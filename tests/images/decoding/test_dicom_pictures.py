"""DICOM in every transfer syntax and colour model shows what pydicom's own pipeline gives."""

import csv
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread, uid
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from images.decoding import Decoded
from images.decoding.window import window
from tests.images.decoding.codestreams import codestream, pattern
from tests.images.decoding.conftest import encode, opened
from tests.images.decoding.dicoms import decode, dicom, in_syntax, packed

DICOMS = [
    "CT_small.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "MR_small_RLE.dcm",
    "RG3_J2KR.dcm",
    "SC_rgb_expb_16bit.dcm",
    "ct.dcm",
    "emri_small.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
]


def manifest(shared_data: Path) -> dict[str, dict[str, str]]:
    with (shared_data / "dicom" / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        return {row["file"]: row for row in csv.DictReader(lines)}


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition))


def reference(data: bytes) -> np.ndarray:
    """The first frame by pydicom's own functions, without any of ours but the percentile window."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = dcmread(io.BytesIO(data))
        frame = source.pixel_array[0] if int(source.get("NumberOfFrames", 1)) > 1 else source.pixel_array
        if source.PhotometricInterpretation == "PALETTE COLOR":
            frame = apply_color_lut(frame, source)
            return np.asarray(frame >> 8 if frame.dtype == np.uint16 else frame, np.uint8)
        if source.SamplesPerPixel == 3:
            return np.asarray(frame >> (source.BitsStored - 8), np.uint8)
        values = apply_voi_lut(apply_modality_lut(frame, source), source).astype(np.float64)
        low, high = grey_range(source, values)
    eight = np.rint(np.clip((values - low) * (255.0 / (high - low)), 0, 255))
    return np.asarray(255 - eight if source.PhotometricInterpretation == "MONOCHROME1" else eight, np.uint8)


def grey_range(source: Dataset, values: np.ndarray) -> tuple[float, float]:
    """The values that pydicom means to be black and white: the ends of what can come out of a window."""
    if "WindowWidth" in source:
        slope, intercept = float(source.get("RescaleSlope", 1)), float(source.get("RescaleIntercept", 0))
        half = 2 ** (source.BitsStored - 1)
        low, high = (-half, half - 1) if source.PixelRepresentation else (0, 2 * half - 1)
        return low * slope + intercept, high * slope + intercept
    return (0.0, 255.0) if source.BitsStored == 8 else window(values)


def test_the_list_of_dicom_files_is_complete(shared_data):
    assert set(manifest(shared_data)) == set(DICOMS)


@pytest.mark.parametrize("name", DICOMS)
def test_each_file_of_the_manifest_is_what_it_says(pool, shared_data, name):
    row, data = manifest(shared_data)[name], (shared_data / "dicom" / name).read_bytes()
    decoded = decode(pool, data)
    assert (decoded.format, decoded.content_type) == ("DICOM", "application/dicom")
    assert (decoded.width, decoded.height) == (int(row["columns"]), int(row["rows"]))
    assert (decoded.mode, decoded.frames) == (row["photometric"], int(row["frames"]))
    assert decoded.bits == (16 if int(row["bits_stored"]) > 8 else 8)
    assert decoded.tags["modality"] == row["modality"]
    assert decoded.tags["patient"] == (row["patient_id_tag"] or None)
    assert any(f"Frame 1 of {row['frames']}" in note for note in decoded.notes) == (row["frames"] != "1")


@pytest.mark.parametrize("name", DICOMS)
def test_each_file_of_the_manifest_looks_as_pydicom_shows_it(pool, shared_data, name):
    data = (shared_data / "dicom" / name).read_bytes()
    ours, theirs = shown(decode(pool, data)), reference(data)
    if ours.ndim < theirs.ndim:  # a picture whose three channels agree is kept as grey
        ours = np.repeat(ours[..., None], 3, axis=2)
    assert np.array_equal(ours, theirs)
    assert ours.std() > 5


@pytest.mark.parametrize("name", DICOMS)
def test_what_is_kept_of_a_file_shows_the_same_picture(pool, shared_data, name):
    data = (shared_data / "dicom" / name).read_bytes()
    first = decode(pool, data)
    again = pool.decode(first.stored, own=True)
    assert (again.rendition, again.tile, again.phash) == (first.rendition, first.tile, first.phash)
    assert (again.stored, again.actions, again.tags) == (b"", (), {})
    assert decode(pool, data).stored == first.stored, "the same file gives the same bytes"


def test_the_real_radiograph_in_dicom_is_the_one_that_was_inverted_into_a_png(pool, shared_data):
    dicom_tile = decode(pool, (shared_data / "dicom" / "RG3_J2KR.dcm").read_bytes()).tile
    png_tile = pool.decode((shared_data / "broken" / "radiograph_16bit_gray.png").read_bytes()).tile
    tiles = [np.frombuffer(tile, np.uint8).astype(float).ravel() for tile in (dicom_tile, png_tile)]
    assert np.corrcoef(tiles[0], tiles[1])[0, 1] > 0.95


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian]
)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_uncompressed_pixels_are_read_in_every_byte_order(pool, syntax, dtype):
    values, tags = pattern().astype(dtype), {"WindowCenter": "60", "WindowWidth": "100"}
    expected = reference(dicom(values, **tags))
    assert np.array_equal(shown(decode(pool, dicom(values, **tags))), expected)
    assert np.array_equal(shown(decode(pool, in_syntax(values, syntax, **tags))), expected)


@pytest.mark.parametrize(
    ("name", "syntax", "tolerance"),
    [
        ("jpeg_extended", uid.JPEGExtended12Bit, 40),
        ("jpeg_lossless", uid.JPEGLossless, 0),
        ("jpeg_lossless_sv1", uid.JPEGLosslessSV1, 0),
        ("jpeg_lossless_8", uid.JPEGLosslessSV1, 0),
        ("jpeg_ls", uid.JPEGLSLossless, 0),
        ("jpeg_ls_near_8", uid.JPEGLSNearLossless, 2),
        ("htj2k", uid.HTJ2KLossless, 0),
        ("htj2k", uid.HTJ2K, 0),
        ("htj2k_8", uid.HTJ2KLosslessRPCL, 0),
    ],
)
def test_every_codec_gives_the_pixels_back(pool, name, syntax, tolerance):
    values = (pattern() >> 4).astype(np.uint8) if name.endswith("8") else pattern()
    bits = 8 if name.endswith("8") else 12
    # A window as wide as the values puts each of them at its own place between black and white.
    tags = {"BitsStored": bits, "WindowCenter": str(2 ** (bits - 1)), "WindowWidth": str(2**bits)}
    ours = shown(decode(pool, packed([codestream(name)], values, syntax, **tags))).astype(int)
    plain = shown(decode(pool, dicom(values, **tags))).astype(int)
    assert np.abs(ours - plain).max() <= tolerance * 255 / 2**bits + (tolerance > 0)
    assert ours.std() > 20


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_what_pydicom_can_pack_is_read_again(pool, syntax, dtype):
    plain = dicom(np.tile(pattern(), (3, 4)).astype(dtype))
    source = dcmread(io.BytesIO(plain))
    source.compress(syntax)
    buffer = io.BytesIO()
    source.save_as(buffer)
    assert np.array_equal(shown(decode(pool, buffer.getvalue())), shown(decode(pool, plain)))


def test_colour_in_baseline_jpeg_is_brought_from_ybr_to_rgb(pool):
    picture = np.zeros((40, 48, 3), np.uint8)
    picture[:, :24], picture[:, 24:] = (200, 40, 30), (20, 60, 220)
    frame = encode(Image.fromarray(picture), "JPEG", quality=98, subsampling=0)
    data = packed([frame], picture, uid.JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL")
    assert np.abs(shown(decode(pool, data)).astype(int) - picture).max() <= 4


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": "2000", "WindowWidth": "1500"},
        {"WindowCenter": "2000", "WindowWidth": "1500", "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": "2000", "WindowWidth": "1500", "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": ["300", "9"], "WindowWidth": ["200", "9"]},
        {"WindowCenter": "1000", "WindowWidth": "4000", "RescaleSlope": "2", "RescaleIntercept": "-1024"},
        {"RescaleSlope": "-0.5", "RescaleIntercept": "100", "WindowCenter": "-700", "WindowWidth": "900"},
        {"RescaleSlope": "2", "RescaleIntercept": "-1024"},
        {"BitsStored": 12, "WindowCenter": "2000", "WindowWidth": "1500"},
        {},
    ],
)
@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_window_rescale_and_inversion_are_those_of_pydicom(pool, photometric, tags, dtype):
    values = (pattern() // (2 if tags.get("BitsStored") else 1)).astype(dtype)
    data = dicom(values, PhotometricInterpretation=photometric, **tags)
    assert np.array_equal(shown(decode(pool, data)), reference(data))
