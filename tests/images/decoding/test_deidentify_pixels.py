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
from images.decoding.errors import Undecodable
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


def test_the_last_of_an_odd_number_of_bytes_in_big_endian_words_stays():
    made = dataset(Rows=3, Columns=3)
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    made["PixelData"].value, made["PixelData"].VR = bytes([2, 1, 4, 3, 6, 5, 8, 7, 77, 9]) + PLANTED.encode(), "OW"
    cleaned(made)
    assert made.PixelData == bytes([2, 1, 4, 3, 6, 5, 8, 7, 0, 9])


def test_what_follows_the_last_real_pixel_is_cut_off():
    made = dataset(Rows=2, Columns=2, BitsAllocated=32, BitsStored=32, HighBit=31)
    del made["PixelData"]
    values = np.arange(4, dtype="<f4").tobytes()
    made.add(DataElement("FloatPixelData", "OF", values + PLANTED.encode()))
    data, done = cleaned(made)
    assert PLANTED.encode() not in data and made.FloatPixelData == values
    assert done["PixelData: padding"] == "removed"


def test_what_follows_the_end_of_a_jpeg_2000_codestream_is_wiped():
    source = dataset(Rows=SIDE, Columns=SIDE)
    source["PixelData"].value = PICTURE.tobytes()
    source.compress(uid.JPEG2000Lossless)
    frame = next(generate_frames(source.PixelData, number_of_frames=1)).rstrip(b"\0")
    data, done = cleaned(encapsulated([frame + PLANTED.encode()], uid.JPEG2000Lossless))
    assert PLANTED.encode() not in data and done["PixelData: codec comments"] == "removed"
    assert (dcmread(io.BytesIO(data)).pixel_array == PICTURE).all()


def test_texts_between_and_behind_the_segments_of_rle_are_wiped():
    values = PICTURE.astype(np.uint16) * 5
    source = dataset(Rows=SIDE, Columns=SIDE, BitsAllocated=16, BitsStored=16, HighBit=15)
    source["PixelData"].value, source["PixelData"].VR = values.tobytes(), "OW"
    source.compress(uid.RLELossless, encoding_plugin="pydicom")
    frame = next(generate_frames(source.PixelData, number_of_frames=1))
    count, first, second = struct.unpack_from("<3I", frame)
    text = PLANTED.encode() + bytes(len(PLANTED) % 2)
    head = struct.pack("<3I", count, first, second + len(text)) + text[: 64 - 12].ljust(64 - 12, b"x")
    planted = head + frame[first:second] + text + frame[second:] + text
    tags = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    data, done = cleaned(encapsulated([planted], uid.RLELossless, **tags))
    assert text not in data and text[:40] not in data
    assert done["PixelData: padding"] == "removed"
    assert (dcmread(io.BytesIO(data)).pixel_array == values).all()


def test_rle_frames_with_nothing_beside_the_pixels_stay_bit_by_bit():
    source = dataset(Rows=SIDE, Columns=SIDE)
    source["PixelData"].value = PICTURE.tobytes()
    source.compress(uid.RLELossless, encoding_plugin="pydicom")
    before = source.PixelData
    _, done = cleaned(source)
    assert source.PixelData == before and not any(name.startswith("PixelData") for name in done)


# Bits of the word, bits of the value, its highest bit: at the lower end, at the upper one, and between.
WORDS = [(16, 12, 11), (16, 12, 15), (16, 12, 13), (16, 15, 14), (8, 7, 6), (8, 6, 7), (32, 24, 23), (32, 20, 29)]


def in_words(values: np.ndarray, word: tuple[int, int, int], *, filled: int) -> np.ndarray:
    """Unsigned words that hold `values`, all of whose other bits are those of `filled`."""
    allocated, bits, high = word
    mask = ((1 << bits) - 1) << (high + 1 - bits)
    placed = (values.astype(np.int64) << (high + 1 - bits)) & mask
    return (placed | (filled & ~mask & ((1 << allocated) - 1))).astype(f"u{allocated // 8}")


def word_dataset(words: np.ndarray, word: tuple[int, int, int], signed: int, syntax: uid.UID) -> Dataset:
    allocated, bits, high = word
    made = dataset(BitsAllocated=allocated, BitsStored=bits, HighBit=high, PixelRepresentation=signed)
    made.Rows, made.Columns = words.shape
    made.file_meta.TransferSyntaxUID = syntax
    order = "<" if syntax.is_little_endian else ">"
    made["PixelData"].value = words.astype(words.dtype.newbyteorder(order)).tobytes()
    made["PixelData"].VR = "OW" if allocated > 8 else "OB"
    return made


def words_of(made: Dataset, like: np.ndarray, syntax: uid.UID) -> np.ndarray:
    order = "<" if syntax.is_little_endian else ">"
    return np.frombuffer(made.PixelData, like.dtype.newbyteorder(order)).reshape(like.shape)


FILL = 0b1110_1001_1010_0101_1110_1001_1010_0101


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_nothing_but_the_value_remains_in_the_word_of_a_pixel(word, signed, syntax):
    values = np.arange(64).reshape(8, 8) % 32 - (16 if signed else 0)
    made = word_dataset(in_words(values, word, filled=FILL), word, signed, syntax)
    report = deidentify(made, DeidOptions(secret=SECRET))
    assert actions(report)["PixelData: unused bits"] == "removed"
    allocated, _, high = word
    sign = np.where(values < 0, -1 << (high + 1) if high + 1 < allocated else 0, 0)
    expected = np.where(sign, in_words(values, word, filled=-1 << (high + 1)), in_words(values, word, filled=0))
    assert (words_of(made, expected, syntax) == expected).all()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("filled", ["zeros", "sign"])
def test_words_without_anything_else_stay_bit_by_bit(word, filled):
    values = np.arange(64).reshape(8, 8) % 32 - 16
    allocated, _, high = word
    words = in_words(values, word, filled=0)
    if filled == "sign" and high + 1 < allocated:
        above = ((1 << allocated) - 1) ^ ((1 << (high + 1)) - 1)
        words = np.where(values < 0, words | np.array(above, words.dtype), words).astype(words.dtype)
    made = word_dataset(words, word, 1, uid.ExplicitVRLittleEndian)
    before = made.PixelData
    report = deidentify(made, DeidOptions(secret=SECRET))
    assert made.PixelData == before and not any(name.startswith("PixelData") for name in actions(report))


def test_an_overlay_that_lies_on_negative_values_alone_is_found():
    values = np.full((8, 8), -5)
    words = in_words(values, (16, 15, 14), filled=0)
    words[2:5, 2:5] |= np.uint16(0x8000)
    made = word_dataset(words, (16, 15, 14), 1, uid.ExplicitVRLittleEndian)
    deidentify(made, DeidOptions(secret=SECRET))
    assert len(np.unique(words_of(made, words, uid.ExplicitVRLittleEndian))) == 1


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("high", [11, 15, 13])
def test_bits_that_a_codec_would_keep_are_wiped_too_and_every_frame_stays(signed, syntax, high):
    word = (16, 12, high)
    values = (np.arange(2 * SIDE * SIDE).reshape(2, SIDE, SIDE) % 900) - (450 if signed else 0)
    words = in_words(values, word, filled=0)
    words[1, 4:9, 4:9] |= np.uint16(0x4000 if high < 14 else 0x0002)
    source = dataset(Rows=SIDE, Columns=SIDE, NumberOfFrames=2, BitsAllocated=16, BitsStored=16, HighBit=15)
    source["PixelData"].value, source["PixelData"].VR = words.tobytes(), "OW"
    source.compress(syntax)
    source.BitsStored, source.HighBit, source.PixelRepresentation = 12, high, signed
    data, done = cleaned(source)
    assert done["PixelData: unused bits"] == "removed"
    kept = dcmread(io.BytesIO(data))
    assert kept.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert (kept.BitsStored, kept.HighBit) == (12, 11)
    assert (np.frombuffer(kept.PixelData, "<i2" if signed else "<u2").reshape(values.shape) == values).all()


def test_a_packed_file_whose_other_bits_are_empty_stays_packed():
    source = dataset(Rows=SIDE, Columns=SIDE, BitsAllocated=16, BitsStored=16, HighBit=15)
    source["PixelData"].value, source["PixelData"].VR = PICTURE.astype("<u2").tobytes(), "OW"
    source.compress(uid.JPEG2000Lossless)
    source.BitsStored, source.HighBit = 12, 11
    data, done = cleaned(source)
    kept = dcmread(io.BytesIO(data))
    assert kept.file_meta.TransferSyntaxUID == uid.JPEG2000Lossless and "PixelData: unused bits" not in done
    assert (kept.pixel_array == PICTURE).all()


def test_a_file_with_a_cut_frame_whose_bits_nobody_can_check_is_refused():
    source = dataset(Rows=SIDE, Columns=SIDE, BitsAllocated=16, BitsStored=16, HighBit=15)
    source["PixelData"].value, source["PixelData"].VR = PICTURE.astype("<u2").tobytes(), "OW"
    source.compress(uid.JPEG2000Lossless)
    frame = next(generate_frames(source.PixelData, number_of_frames=1))
    tags = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "NumberOfFrames": 2}
    with pytest.raises(Undecodable):
        cleaned(encapsulated([frame, frame[: len(frame) // 2]], uid.JPEG2000Lossless, **tags))


def test_embedded_overlays_leave_neither_their_bits_nor_their_group():
    values = np.arange(64).reshape(8, 8)
    made = word_dataset(in_words(values, (16, 12, 15), filled=0x0005), (16, 12, 15), 0, uid.ExplicitVRLittleEndian)
    made.add(DataElement(0x60000100, "US", 16))
    made.add(DataElement(0x60000102, "US", 0))
    made.add(DataElement(0x60FE3000, "OW", PLANTED.encode() + bytes(len(PLANTED) % 2)))
    deidentify(made, DeidOptions(secret=SECRET))
    assert (words_of(made, np.zeros((8, 8), np.uint16), uid.ExplicitVRLittleEndian) == values << 4).all()
    assert not any(0x6000 <= tag.group <= 0x60FF for tag in made.keys())  # noqa: SIM118 - its iterator gives elements
