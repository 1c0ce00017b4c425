"""Files made to hurt are refused with a reason in under two seconds of work, with little memory, by a child that lives."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame

from images.decoding import DecoderPool, Undecodable, sniff
from images.decoding.errors import DETAILS
from tests.images.decoding.codestreams import codestream, pattern
from tests.images.decoding.conftest import DEID, chunk, cpu_s, encode, gradient, noise, png_of
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, in_syntax, packed

SECONDS, MEBIBYTES = 2.0, 300
SMALL = pattern()
PLAIN = dicom(SMALL)
BODY = 144 + struct.unpack_from("<I", PLAIN, 140)[0]  # where the data set begins, by the length of the meta group
HUGE = {"Rows": 10_000, "Columns": 10_000}


def refused(pool: DecoderPool, data: bytes) -> str:
    """The code of the refusal, once it was seen to be quick, lean and survived."""
    decode(pool, PLAIN)
    before, worked, peak = pool.child_pids(), cpu_s(pool), _peak_mb(pool)
    with pytest.raises(Undecodable) as caught:
        pool.decode(data, deid=DEID if sniff(data) == "DICOM" else None)
    assert pool.child_pids() == before
    assert cpu_s(pool) - worked < SECONDS
    assert _peak_mb(pool) - peak < MEBIBYTES
    assert caught.value.code in set(DETAILS) - {"decoder_crashed", "decoder_timeout"}
    assert caught.value.detail.endswith(".")
    return caught.value.code


def _process(pool: DecoderPool) -> Path:
    return Path(f"/proc/{pool.child_pids()[0]}")


def _peak_mb(pool: DecoderPool) -> int:
    status = (_process(pool) / "status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def before_body(elements: bytes) -> bytes:
    return PLAIN[:BODY] + elements + PLAIN[BODY:]


def element(group: int, number: int, kind: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HH2sHI", group, number, kind, 0, size) + value


def nested(depth: int, inner: bytes = b"") -> bytes:
    for _ in range(depth):
        inner = element(8, 0x1140, b"SQ", b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner)
    return inner


def resized(frame: bytes, mark: bytes, side: int = 10_000) -> bytes:
    """A JPEG or JPEG-LS frame that announces another size."""
    at = frame.index(mark) + 5
    return frame[:at] + struct.pack(">HH", side, side) + frame[at + 4 :]


def jpeg_2000(side: int) -> bytes:
    """A JPEG 2000 frame that announces another size."""
    made = dataset(np.tile(SMALL, (4, 4)))
    made.compress(uid.JPEG2000Lossless)
    frame = get_frame(made.PixelData, 0, number_of_frames=1)
    return frame[:8] + struct.pack(">8I", side, side, 0, 0, side, side, 0, 0) + frame[40:]


def rle(segment: bytes) -> bytes:
    return struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13) + 2 * segment


def deflated(body: bytes) -> bytes:
    file = in_syntax(SMALL, uid.DeflatedExplicitVRLittleEndian)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = 144 + struct.unpack_from("<I", file, 140)[0]
    return file[:start] + packer.compress(body) + packer.flush()


def with_palette(source: FileDataset) -> None:
    source.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        ramps = struct.pack("<3H", 0, 1, 0) + struct.pack("<3H", 1, 65535, 1) * 5000
        source.add(DataElement(f"{colour}PaletteColorLookupTableDescriptor", "US", [0, 0, 16]))
        source.add(DataElement(f"Segmented{colour}PaletteColorLookupTableData", "OW", ramps))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "more pixels than are allowed": (lambda: dicom(SMALL, Rows=65535, Columns=65535), "too_large"),
    "more rows than pixels": (lambda: dicom(SMALL, Rows=10_000, Columns=10_000), "truncated"),
    "two thousand million frames": (lambda: dicom(SMALL, NumberOfFrames=2**31 - 1), "truncated"),
    "no rows": (lambda: dicom(SMALL, Rows=0), "corrupt"),
    "five samples": (lambda: dicom(SMALL, SamplesPerPixel=5), "corrupt"),
    "a length beyond the file": (lambda: before_body(element(9, 0x1002, b"OB", b"", 0xFFFFFFF0)), "truncated"),
    "a million nested items": (
        lambda: before_body(b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10**6),
        "corrupt",
    ),
    "four hundred nested sequences": (lambda: before_body(nested(400)), "corrupt"),
    "megabytes nested again and again": (
        lambda: before_body(nested(15, element(9, 0x1002, b"OB", bytes(10_000_000)))),
        "corrupt",
    ),
    "a million elements": (lambda: before_body(b"\x09\x00\x02\x10LO\x02\x00ab" * 10**6), "corrupt"),
    "a hundred thousand items": (
        lambda: before_body(element(8, 0x1140, b"SQ", (b"\xfe\xff\x00\xe0" + struct.pack("<I", 0)) * 100_000)),
        "corrupt",
    ),
    "a delimiter without a sequence": (lambda: before_body(b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"), "corrupt"),
    "a deflate bomb": (lambda: deflated(element(9, 0x1002, b"OB", bytes(10**8))), "too_large"),
    "a deflated file that ends early": (lambda: deflated(PLAIN[BODY:])[:-20], "truncated"),
    "a frame of 60,000 in a header of 20": (
        lambda: packed([jpeg_2000(60_000)], SMALL, uid.JPEG2000Lossless),
        "corrupt",
    ),
    "an empty JPEG 2000 of 10,000": (
        lambda: packed([jpeg_2000(10_000)], SMALL, uid.JPEG2000Lossless, **HUGE),
        "too_large",
    ),
    "an empty JPEG-LS of 10,000": (
        lambda: packed([resized(codestream("jpeg_ls"), b"\xff\xf7")], SMALL, uid.JPEGLSLossless, **HUGE),
        "too_large",
    ),
    "an empty lossless JPEG of 10,000": (
        lambda: packed([resized(codestream("jpeg_lossless"), b"\xff\xc3")], SMALL, uid.JPEGLossless, **HUGE),
        "too_large",
    ),
    "an RLE that grows to gigabytes": (lambda: packed([rle(b"\x81\x00" * 10**6)], SMALL, uid.RLELossless), "corrupt"),
    "an RLE of nothing": (lambda: packed([rle(b"\x80" * 900)], SMALL, uid.RLELossless), "truncated"),
    "an RLE that is too short": (lambda: packed([rle(b"\x81\x00" * 2)], SMALL, uid.RLELossless), "truncated"),
    "an RLE without its header": (lambda: packed([b"\x02\x00"], SMALL, uid.RLELossless), "truncated"),
    "a palette of millions": (lambda: edited(PLAIN, with_palette), "corrupt"),
    "no frame at all": (lambda: packed([], SMALL, uid.JPEG2000Lossless), "truncated"),
    "a video": (lambda: packed([b"\x00\x00\x01\xb3"], SMALL, uid.MPEG2MPML), "unsupported_format"),
    "no transfer syntax": (lambda: PLAIN[:132] + PLAIN[BODY:], "corrupt"),
    "two million PNG chunks": (
        lambda: _png()[:33] + chunk(b"teSt", b"") * 2_000_000 + _png()[33:],
        "corrupt",
    ),
    "five million JPEG comments": (lambda: _jpeg()[:2] + b"\xff\xfe\x00\x02" * 5_000_000 + _jpeg()[2:], "corrupt"),
    "a JPEG filled with FF": (lambda: _jpeg()[:2] + b"\xff" * 30_000_000 + _jpeg()[2:], "corrupt"),
    "a JPEG filled with junk": (lambda: b"\xff\xd8\xff" + bytes(30_000_000), "corrupt"),
    "a JPEG that is far too short": (lambda: resized(_jpeg(), b"\xff\xc0"), "truncated"),
    "a JPEG of hundreds of scans": (lambda: _progressive(300), "corrupt"),
    "a TIFF of 100,000 pages": (lambda: _tiff(100_000), "corrupt"),
    "a TIFF whose tags share their bytes": (
        lambda: _tiff(1, [(60_000 + tag, 2, 20_000_000, 8) for tag in range(3000)]) + bytes(21_000_000),
        "corrupt",
    ),
    "a TIFF of 60,000": (lambda: _tiff(1, side=60_000), "too_large"),
    "a PNG of 60,000": (lambda: png_of(60_000, 60_000, depth=8, colour=0, idat=zlib.compress(b"")), "too_large"),
}


def _png() -> bytes:
    return encode(gradient(), "PNG")


def _jpeg() -> bytes:
    return encode(gradient(), "JPEG")


def _progressive(scans: int) -> bytes:
    data = encode(noise((64, 64), 50), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def _tiff(pages: int, extra: list[tuple[int, int, int, int]] | None = None, side: int = 8) -> bytes:
    """Pages that share their pixels. Entries: tag, type, count, value."""
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0)]
    entries += [(277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 64), *(extra or [])]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    size = len(body) + 4
    links = [8 + size * (page + 1) for page in range(pages - 1)] + [0]
    return b"II*\x00\x08\x00\x00\x00" + b"".join(body + struct.pack("<I", link) for link in links) + bytes(64)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the child through /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_quickly_and_the_child_lives(pool, name):
    make, code = HOSTILE[name]
    assert refused(pool, make()) == code


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "image_dfl.dcm"]
)
@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.8])
def test_a_dicom_file_that_was_cut_is_refused(pool, shared_data, name, share):
    data = (shared_data / "dicom" / name).read_bytes()
    assert refused(pool, data[: int(len(data) * share)]) in ("truncated", "unsupported_format")


def test_a_frame_that_was_cut_inside_is_refused(pool):
    for name, syntax in (("jpeg_ls", uid.JPEGLSLossless), ("htj2k", uid.HTJ2K), ("jpeg_lossless", uid.JPEGLossless)):
        assert refused(pool, packed([codestream(name)[:300]], SMALL, syntax, BitsStored=12)) == "truncated"


def test_a_polyglot_is_what_its_dicom_mark_says(pool):
    for head in (_png()[:128], b"II*\x00" + bytes(124), b"PK\x03\x04" + bytes(124)):
        decoded = decode(pool, head + PLAIN[128:])
        assert decoded.format == "DICOM"
        assert dcmread(io.BytesIO(decoded.stored)).preamble == bytes(128)


@settings(max_examples=120, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8),
    keep=st.floats(0.2, 1.0),
    source=st.sampled_from(["plain", "implicit", "rle", "jpeg_ls", "htj2k"]),
)
def test_whatever_is_damaged_in_a_dicom_file_the_answer_is_a_picture_or_a_refusal(pool, flips, keep, source):
    data = bytearray(DAMAGED[source])
    del data[max(140, int(len(data) * keep)) :]
    for position, flip in flips:
        data[132 + position % (len(data) - 132)] ^= flip
    try:
        assert len(decode(pool, bytes(data)).tile) == 65536
    except Undecodable as error:
        assert error.code in set(DETAILS) - {"decoder_crashed", "decoder_timeout"}


DAMAGED = {
    "plain": dicom(SMALL, WindowCenter="2000", WindowWidth="3000", RescaleSlope="2", RescaleIntercept="-5"),
    "implicit": in_syntax(SMALL, uid.ImplicitVRLittleEndian),
    "rle": packed([rle(b"\x81\x07" * 4)], SMALL[:2, :4], uid.RLELossless),
    "jpeg_ls": packed([codestream("jpeg_ls")], SMALL, uid.JPEGLSLossless, BitsStored=12),
    "htj2k": packed([codestream("htj2k")], SMALL, uid.HTJ2KLossless, BitsStored=12),
}
