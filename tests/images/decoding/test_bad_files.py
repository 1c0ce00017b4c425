"""Every file without a picture gives a code and a sentence, and the child that read it lives on."""

import csv
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.decoding import DecoderPool, Limits, Undecodable, sniff
from images.decoding.errors import DETAILS
from tests.images.decoding.conftest import DEID, chunk, cpu_s, encode, gradient, noise, opened, png_of

BROKEN = [
    "16bit.cropped.tif",
    "MR_truncated.dcm",
    "badVR.dcm",
    "badwidth.bmp",
    "broken.png",
    "broken_data_stream.png",
    "decompression_bomb.gif",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "hopper_bad_exif.jpg",
    "hopper_orientation_6.jpg",
    "multipage.tiff",
    "no_meta.dcm",
    "pil_sample_cmyk.jpg",
    "png_decompression_dos.png",
    "png_named.jpg",
    "radiograph_16bit_gray.png",
    "rtplan.dcm",
    "single_frame.png",
    "text_as.jpg",
    "tiff_16bit_RGB.tiff",
    "truncated_image.png",
    "truncated_jpeg.jpg",
    "xray_exif_orientation6.jpg",
    "xray_header_zeroed.jpg",
    "xray_truncated_half.jpg",
    "zero_bytes.jpg",
    "Röntgen bild (1) – ünïcode & spaces.JPG",
    "zero_width.gif",
]


def refusal(pool: DecoderPool, data: bytes) -> Undecodable:
    """The error for a file; it must be made for a doctor: known code, whole sentence, nothing of the machine."""
    with pytest.raises(Undecodable) as caught:
        pool.decode(data, deid=DEID if sniff(data) == "DICOM" else None)
    error = caught.value
    assert error.code in DETAILS
    assert error.detail.endswith(".")
    assert len(error.detail) < 250
    for leak in ("/", "Traceback", "Error", "PIL", "0x", "line "):
        assert leak not in error.detail
    assert str(error) == error.detail
    return error


def manifest(shared_data: Path) -> dict[str, str]:
    with (shared_data / "broken" / "MANIFEST.csv").open(newline="", encoding="utf-8") as lines:
        return {row["file"]: row["expected"] for row in csv.DictReader(lines)}


def test_the_list_of_broken_files_is_complete(shared_data):
    assert set(manifest(shared_data)) == set(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_file_gets_the_answer_its_manifest_expects(pool, shared_data, name):
    expected, data = manifest(shared_data)[name], (shared_data / "broken" / name).read_bytes()
    if expected == "reject":
        refusal(pool, data)
    elif expected == "accept":
        assert len(pool.decode(data).tile) == 65536
    else:
        try:
            assert opened(pool.decode(data).rendition).mode in ("L", "RGB")
        except Undecodable as error:
            assert error.code in DETAILS


def test_the_real_16_bit_radiograph_keeps_its_contrast(pool, shared_data):
    decoded = pool.decode((shared_data / "broken" / "radiograph_16bit_gray.png").read_bytes())
    histogram = opened(decoded.rendition).histogram()
    assert decoded.bits == 16
    assert sum(histogram[250:]) < 0.6 * sum(histogram)
    assert sum(1 for count in histogram if count) > 200


def test_the_real_rotated_xray_is_the_upright_one(pool, shared_data):
    rotated = pool.decode((shared_data / "broken" / "xray_exif_orientation6.jpg").read_bytes())
    assert rotated.orientation == 6
    assert rotated.width > rotated.height


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"hello", "unsupported_format"),
        (b"GIF89a" + bytes(100), "unsupported_format"),
        (b"PK\x03\x04" + bytes(100), "unsupported_format"),
        (bytes(128) + b"DICM" + bytes(100), "corrupt"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff" + bytes(100) + b"\xff\xd9", "corrupt"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"II*\x00" + bytes(100), "corrupt"),
    ],
)
def test_each_kind_of_nonsense_has_its_code(pool, data, code):
    assert refusal(pool, data).code == code


def test_a_zip_is_sent_to_the_zip_import(pool):
    assert "ZIP import" in refusal(pool, b"PK\x03\x04" + bytes(100)).detail


@pytest.mark.parametrize("options", [{"fmt": "JPEG"}, {"fmt": "JPEG", "progressive": True}, {"fmt": "PNG"}])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_that_was_cut_is_called_truncated(pool, options, share):
    data = encode(noise((300, 300), 50), **options)
    assert refusal(pool, data[: int(len(data) * share)]).code == "truncated"


def test_a_cut_that_only_a_full_size_decode_would_reach_is_found_in_a_large_jpeg_too(pool):
    data = encode(noise((5000, 4200), 50), "JPEG", quality=30)
    assert refusal(pool, data[:-2000]).code == "truncated"


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_a_cut_tiff_is_refused(pool, compression):
    data = encode(noise((300, 300), 50), "TIFF", compression=compression)
    assert refusal(pool, data[: len(data) // 2]).code in ("truncated", "corrupt")


def test_one_wrong_bit_in_the_pixels_of_a_png_is_found(pool):
    data = bytearray(encode(gradient(), "PNG", compress_level=0))
    data[len(data) // 2] ^= 1
    assert refusal(pool, bytes(data)).code == "corrupt"


def test_a_png_without_its_last_chunk_is_truncated(pool):
    assert refusal(pool, encode(gradient(), "PNG")[:-12]).code == "truncated"


def test_a_png_whose_checksum_is_wrong_is_corrupt_even_when_its_pixels_unpack(pool):
    data = bytearray(encode(gradient(), "PNG"))
    data[-13] ^= 1  # the last byte of the CRC of IDAT
    assert refusal(pool, bytes(data)).code == "corrupt"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the child through /proc")
@pytest.mark.parametrize("side", [60_000, 12_000, 2**31 - 1])
def test_a_header_that_announces_a_huge_picture_is_refused_at_once(pool, side):
    bomb = png_of(side, side, depth=8, colour=0, idat=zlib.compress(bytes(1000)))
    pool.decode(encode(gradient(), "PNG"))
    worked = cpu_s(pool)
    error = refusal(pool, bomb)
    assert cpu_s(pool) - worked < 2
    assert error.code == "too_large"
    assert f"{side} × {side} pixels; at most 100 million" in error.detail


def test_text_that_inflates_hugely_is_refused(pool):
    bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(50_000_000)))
    idat = zlib.compress(bytes(9 * 8))
    assert refusal(pool, png_of(8, 8, depth=8, colour=0, idat=idat, extra=bomb)).code == "too_large"
    many = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(1_000_000))) * 80
    assert refusal(pool, png_of(8, 8, depth=8, colour=0, idat=idat, extra=many)).code == "too_large"


def test_pixels_that_inflate_beyond_the_picture_do_no_harm(pool):
    data = png_of(8, 8, depth=8, colour=0, idat=zlib.compress(bytes(100_000_000)))
    assert pool.decode(data).width == 8


def test_a_file_over_the_byte_limit_never_reaches_a_child():
    pool = DecoderPool(Limits(size=1, max_bytes=1000))
    assert refusal(pool, encode(noise((100, 100), 50), "PNG")).code == "too_large"
    assert pool.child_pids() == ()
    pool.close()


@settings(max_examples=150, deadline=None)
@given(
    fmt=st.sampled_from(["JPEG", "PNG", "TIFF"]),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=6),
    keep=st.floats(0.1, 1.0),
)
def test_whatever_is_damaged_the_answer_is_a_picture_or_a_refusal(pool, fmt, flips, keep):
    data = bytearray(encode(gradient(), fmt))
    del data[int(len(data) * keep) :]
    for position, flip in flips:
        data[position % len(data)] ^= flip
    before = pool.child_pids()
    try:
        assert len(pool.decode(bytes(data)).tile) == 65536
    except Undecodable as error:
        assert error.code in set(DETAILS) - {"decoder_crashed", "decoder_timeout"}
    assert before in ((), pool.child_pids())
