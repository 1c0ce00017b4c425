"""What the pixel data holds besides the pixels: comments of codecs, bytes after the last pixel, overlay bits."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from pydicom import DataElement, Dataset, dcmread, dcmwrite, uid
from pydicom.encaps import encapsulate, generate_frames

from images.decoding.deid.options import DeidOptions
from images.decoding.deid.sweep import deidentify
from tests.images.decoding.test_deidentify import PLANTED, SECRET, actions, dataset

SIDE = 32
PICTURE = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8) * 4


def encapsulated(frames: list[bytes], syntax: uid.UID, **tags: object) -> Dataset:
    made = dataset(Rows=SIDE, Columns=SIDE, **tags)
    made.file_meta.TransferSyntaxUID = syntax
    made.add(DataElement("PixelData", "OB", encapsulate(frames)))
    made["PixelData"].is_undefined_length = True
    return made


def jpeg(mode: str = "L", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def with_texts(frame: bytes) -> bytes:
    """A comment, an EXIF block and a thumbnail's place after the start, and a text after the end."""
    text = PLANTED.encode()
    blocks = b"".join(b"\xff" + bytes([mark]) + struct.pack(">H", len(text) + 2) + text for mark in (0xFE, 0xE1, 0xEC))
    return frame[:2] + blocks + frame[2:] + text


def cleaned(made: Dataset) -> tuple[bytes, dict[str, str]]:
    report = deidentify(made, DeidOptions(secret=SECRET, patient_override="P1"))
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue(), actions(report)


@pytest.mark.parametrize("mode", ["L", "RGB", "progressive"])
def test_texts_in_jpeg_frames_are_gone_and_the_pixels_stay(mode):
    is_colour = mode == "RGB"
    frame = jpeg("RGB" if is_colour else "L", progressive=mode == "progressive")
    syntax = uid.JPEGBaseline8Bit
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    tags = colour if is_colour else {}
    before = np.asarray(Image.open(io.BytesIO(frame)))
    data, done = cleaned(encapsulated([with_texts(frame), with_texts(frame)], syntax, NumberOfFrames=2, **tags))
    assert PLANTED.encode() not in data
    assert done["PixelData: codec comments"] == "removed"
    kept = dcmread(io.BytesIO(data))
    for found in generate_frames(kept.PixelData, number_of_frames=2):
        assert (np.asarray(Image.open(io.BytesIO(found))) == before).all()
        assert (b"JFIF" in found) == (b"JFIF" in frame)


def test_frames_without_texts_stay_bit_by_bit():
    made = encapsulated([jpeg()], uid.JPEGBaseline8Bit)
    before = made.PixelData
    _, done = cleaned(made)
    assert made.PixelData == before and "PixelData: codec comments" not in done


def test_a_comment_between_two_scans_is_found():
    frame = jpeg(progressive=True)
    at = frame.rfind(b"\xff\xda")
    text = PLANTED.encode()
    data, _ = cleaned(
        encapsulated(
            [frame[:at] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + frame[at:]], uid.JPEGBaseline8Bit
        )
    )
    assert text not in data


def test_comments_of_jpeg_2000_are_gone_and_the_pixels_stay():
    source = dataset(Rows=SIDE, Columns=SIDE)
    source["PixelData"].value = PICTURE.tobytes()
    source.compress(uid.JPEG2000Lossless)
    frame = next(generate_frames(source.PixelData, number_of_frames=1))
    text = PLANTED.encode()
    at = 4 + struct.unpack_from(">H", frame, 4)[0]  # behind the size marker, which has to come first
    planted = frame[:at] + b"\xff\x64" + struct.pack(">HH", len(text) + 4, 1) + text + frame[at:]
    data, done = cleaned(encapsulated([planted], uid.JPEG2000Lossless))
    assert text not in data and "PixelData: codec comments" in done
    assert (dcmread(io.BytesIO(data)).pixel_array == PICTURE).all()


def test_jpeg_ls_data_that_looks_like_a_marker_is_left_alone():
    text = PLANTED.encode()
    comment = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
    # T.87 stuffs a bit, not a byte: 0xFF is followed by anything below 0x80.
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + b"\x12\xff\x7e\x34\xff\x60\x56"
    head = b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x20\x00\x20\x01\x01\x11\x00"
    frame = head + scan + comment + scan + b"\xff\xd9"
    made = encapsulated([frame], uid.JPEGLSLossless)
    cleaned(made)
    assert next(generate_frames(made.PixelData, number_of_frames=1))[: len(frame)] == frame.replace(
        text, bytes(len(text))
    )


def test_boxes_around_a_jpeg_2000_codestream_are_cut_off():
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG2000")
    frame = buffer.getvalue()
    assert frame.startswith(b"\x00\x00\x00\x0cjP  ")
    text = PLANTED.encode()
    at = frame.find(b"\xff\x4f\xff\x51") - 8
    xml = struct.pack(">I", len(text) + 8) + b"xml " + text
    data, _ = cleaned(encapsulated([frame[:at] + xml + frame[at:]], uid.JPEG2000Lossless))
    assert text not in data
    kept = next(generate_frames(dcmread(io.BytesIO(data)).PixelData, number_of_frames=1))
    assert kept.startswith(b"\xff\x4f\xff\x51")
    assert (np.asarray(Image.open(io.BytesIO(kept))) == PICTURE).all()


def test_what_follows_the_last_pixel_is_cut_off():
    made = dataset(Rows=3, Columns=3)
    made["PixelData"].value = bytes(range(9)) + PLANTED.encode()
    data, done = cleaned(made)
    assert PLANTED.encode() not in data
    assert made.PixelData == bytes(range(9)) + b"\0"
    assert done["PixelData: padding"] == "removed"


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_overlays_in_unused_bits_are_wiped(signed, syntax):
    kind = f"{'<' if syntax.is_little_endian else '>'}{'i' if signed else 'u'}2"
    values = (np.arange(16) - (8 if signed else 0)).astype(kind)
    drawn = (values.view(kind.replace("i", "u")) & 0x0FFF) | 0x4000
    made = dataset(BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].value = drawn.astype(kind.replace("i", "u")).tobytes()
    made["PixelData"].VR = "OW"
    made.add(DataElement(0x60000100, "US", 1))
    made.add(DataElement(0x60000102, "US", 14))
    report = deidentify(made, DeidOptions(secret=SECRET))
    assert actions(report)["PixelData: overlay bits"] == "removed"
    assert (np.frombuffer(made.PixelData, dtype=kind) == values).all()
    assert 0x60000102 not in made
