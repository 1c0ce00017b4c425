"""Grey that a header describes badly: a picture and a note, never black or white in silence."""

import io

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from images.decoding import Decoded
from tests.images.decoding.codestreams import codestream, pattern
from tests.images.decoding.conftest import opened
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, in_syntax, packed, written
from tests.images.decoding.test_beside_dcmtk import table

SIGNED = pattern().astype(np.int16) - 1500
RAMP = np.arange(4096, dtype=np.uint16)


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition)).astype(int)


def notes(decoded: Decoded) -> str:
    return " ".join(decoded.notes)


def empty_table() -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 12], []
    return item


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("values", "tags", "words"),
    [
        (pattern(), {"WindowCenter": "-5000", "WindowWidth": "100"}, "one grey"),
        (pattern(), {"WindowCenter": "60000", "WindowWidth": "2"}, "one grey"),
        (pattern() >> 4, {"WindowCenter": "9000", "WindowWidth": "100", "BitsStored": 8}, "one grey"),
        (pattern().astype(np.int32), {"WindowCenter": "-9000", "WindowWidth": "100"}, "one grey"),
        (SIGNED, {"WindowCenter": "9000", "WindowWidth": "100", "VOILUTFunction": "SIGMOID"}, "one grey"),
        (pattern(), {"VOILUTSequence": [table(np.zeros(4096, np.uint16), 0, 12)]}, "one grey"),
        (pattern(), {"VOILUTSequence": [table(RAMP[:5], 50_000, 12)]}, "one grey"),
        (pattern(), {"WindowCenter": "2000", "WindowWidth": "0"}, "cannot be used"),
        (pattern(), {"WindowCenter": "2000", "WindowWidth": "-1500"}, "cannot be used"),
        (pattern(), {"WindowCenter": "2000", "WindowWidth": "0.5"}, "cannot be used"),
        (pattern(), {"VOILUTSequence": [empty_table()]}, "cannot be used"),
        (pattern(), {"RescaleSlope": "0", "RescaleIntercept": "0"}, "slope"),
        (pattern(), {"RescaleSlope": "0", "WindowCenter": "-1000", "WindowWidth": "100"}, "slope"),
    ],
)
def test_a_window_that_shows_nothing_is_passed_over_and_named(pool, photometric, values, tags, words):
    decoded = decode(pool, dicom(values, PhotometricInterpretation=photometric, **tags))
    assert words in notes(decoded)
    assert len(np.unique(shown(decoded))) > 60
    sign = -1 if photometric == "MONOCHROME1" else 1
    assert sign * np.corrcoef(shown(decoded).ravel(), values.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": ["90000", "2000"], "WindowWidth": ["10", "1500"]},
        {"WindowCenter": ["2000", "2000"], "WindowWidth": ["0", "1500"]},
        {"WindowCenter": ["", "2000"], "WindowWidth": ["", "1500"]},
        {"VOILUTSequence": [empty_table()], "WindowCenter": "2000", "WindowWidth": "1500"},
        {"VOILUTSequence": [table(np.zeros(9, np.uint16), 0, 12)], "WindowCenter": "2000", "WindowWidth": "1500"},
    ],
)
def test_where_the_first_window_shows_nothing_the_next_one_is_used(pool, tags):
    expected = decode(pool, dicom(pattern(), WindowCenter="2000", WindowWidth="1500"))
    decoded = decode(pool, dicom(pattern(), **tags))
    assert np.array_equal(shown(decoded), shown(expected))
    assert "another one" in notes(decoded)


@pytest.mark.parametrize("tags", [{"VOILUTSequence": []}, {"VOILUTSequence": [Dataset()]}, {"ModalityLUTSequence": []}])
def test_an_empty_sequence_is_none(pool, tags):
    window = {"WindowCenter": "2000", "WindowWidth": "1500"}
    decoded = decode(pool, dicom(pattern(), **window, **tags))
    assert np.array_equal(shown(decoded), shown(decode(pool, dicom(pattern(), **window))))
    assert decoded.notes == ()


def test_a_picture_that_is_of_one_grey_itself_keeps_its_window(pool):
    """Nothing is wrong with the window: there is nothing to see."""
    flat = np.full((200, 180), 700, np.uint16)
    flat[0, 0] = 710
    decoded = decode(pool, dicom(flat, WindowCenter="2000", WindowWidth="100"))
    assert set(shown(decoded).ravel()) == {0}


def filled(dtype: str, value: int, share: float) -> np.ndarray:
    """A picture of 1 to 732 with padding of that value."""
    values = (np.tile(pattern(), (10, 10)) % 732 + 1).astype(dtype)
    values.ravel()[: int(values.size * share)] = value
    return values


@pytest.mark.parametrize("share", [0.004, 0.01, 0.3])
@pytest.mark.parametrize(
    ("values", "tags"),
    [
        (("i2", -32768), {"PixelPaddingValue": -32768}),
        (("i2", -2000), {"PixelPaddingValue": -2000, "BitsStored": 12}),
        (("u2", 63536), {"PixelPaddingValue": 63536}),
        (("u2", 4095), {"PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 4095}),
        (("i2", -1500), {"PixelPaddingValue": -1000, "PixelPaddingRangeLimit": -2000}),
        (("i4", -99_999), {"PixelPaddingValue": -99_999}),
        (("i2", -32768), {}),
        (("u2", 65535), {}),
    ],
)
def test_padding_has_no_part_in_the_range_of_grey(pool, values, tags, share):
    made = dataset(filled(*values, share))
    for keyword, value in tags.items():
        if keyword.startswith("PixelPadding"):
            made.add_new(keyword, "SL" if abs(value) > 65535 else "SS" if value < 0 else "US", value)
        else:
            setattr(made, keyword, value)
    made.HighBit = made.BitsStored - 1
    decoded = decode(pool, written(made))
    assert len(np.unique(shown(decoded))) > 200
    assert "Values from" in notes(decoded)
    assert pool.decode(decoded.stored, own=True).rendition == decoded.rendition


def test_padding_written_as_unsigned_is_found_among_signed_values(pool):
    made = dataset(filled("i2", -2000, 0.01))
    made.add_new("PixelPaddingValue", "US", 63536)
    assert len(np.unique(shown(decode(pool, written(made))))) > 200


def test_padding_of_floats_is_left_out(pool):
    made = dataset(np.zeros((240, 200), np.uint32), PixelData=None)
    del made.BitsStored, made.HighBit, made.PixelRepresentation
    made.FloatPixelData = filled("f4", -1e30, 0.3).astype("<f4").tobytes()
    made.FloatPixelPaddingValue = -1e30
    assert len(np.unique(shown(decode(pool, written(made))))) > 200


def test_padding_means_nothing_to_a_window(pool):
    window = {"WindowCenter": "400", "WindowWidth": "700"}
    values = filled("i2", -2000, 0.1)
    decoded = decode(pool, dicom(values, PixelPaddingValue=-2000, **window))
    assert np.array_equal(shown(decoded), shown(decode(pool, dicom(values, **window))))


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": ""},
        {"RescaleSlope": "", "RescaleIntercept": ""},
        {"RescaleIntercept": ""},
        {"WindowCenter": "", "WindowWidth": ""},
    ],
)
def test_an_empty_rescale_or_window_is_none(pool, tags):
    assert np.array_equal(shown(decode(pool, dicom(pattern(), **tags))), shown(decode(pool, dicom(pattern()))))


def raw(keyword: str, text: str, *, syntax: uid.UID = uid.ExplicitVRLittleEndian) -> bytes:
    """A file with a value that pydicom would not write."""
    data = in_syntax(pattern(), syntax, **{keyword: "7" * len(text)}, WindowCenter="2000", WindowWidth="1500")
    assert data.count(b"7" * len(text)) == 1
    return data.replace(b"7" * len(text), text.encode())


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("keyword", "text"), [("PixelSpacing", "0,143\\0,143 "), ("SliceThickness", "5,50"), ("SeriesNumber", "no. 71")]
)
def test_a_number_that_is_none_takes_nothing_from_the_picture(pool, keyword, text, syntax):
    decoded = decode(pool, raw(keyword, text, syntax=syntax))
    expected = decode(pool, dicom(pattern(), WindowCenter="2000", WindowWidth="1500"))
    assert np.array_equal(shown(decoded), shown(expected))
    assert keyword in notes(decoded)
    assert decoded.tags["pixel_spacing"] is None
    assert keyword not in dcmread(io.BytesIO(decoded.stored))


def test_without_its_rescale_a_window_means_nothing(pool):
    decoded = decode(pool, raw("RescaleSlope", "2,5000"))
    assert {"RescaleSlope of the file cannot be read and was left out."} < set(decoded.notes)
    assert "WindowWidth" in notes(decoded)
    assert len(np.unique(shown(decoded))) > 100


def test_a_modality_table_without_a_descriptor_is_left_out_and_named(pool):
    broken = table(np.arange(4096, dtype=np.uint16), 0, 12)
    del broken.LUTDescriptor
    decoded = decode(pool, dicom(pattern(), ModalityLUTSequence=[broken], WindowCenter="2000", WindowWidth="1500"))
    assert np.array_equal(
        shown(decoded), shown(decode(pool, dicom(pattern(), WindowCenter="2000", WindowWidth="1500")))
    )
    assert "modality LUT" in notes(decoded)


def test_a_picture_for_processing_says_so(pool):
    assert "FOR PROCESSING" in notes(decode(pool, dicom(pattern(), PresentationIntentType="FOR PROCESSING")))
    assert "FOR PROCESSING" not in notes(decode(pool, dicom(pattern(), PresentationIntentType="FOR PRESENTATION")))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
@pytest.mark.parametrize("said", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_a_file_that_is_written_otherwise_than_it_says_is_read(pool, syntax, said):
    data = in_syntax(pattern(), syntax, WindowCenter="2000", WindowWidth="1500")
    names = [name.encode() + b"\0" * (len(name) % 2) for name in (syntax, said)]
    head = data[:400].replace(b"UI" + len(names[0]).to_bytes(2, "little") + names[0], _element(names[1]), 1)
    decoded = decode(pool, _relengthened(head + data[400:], len(names[1]) - len(names[0])))
    assert np.array_equal(shown(decoded), shown(decode(pool, data)))
    assert ("another encoding" in notes(decoded)) == (said != syntax)
    assert np.array_equal(shown(pool.decode(decoded.stored, own=True)), shown(decoded))


def _element(value: bytes) -> bytes:
    return b"UI" + len(value).to_bytes(2, "little") + value


def _relengthened(data: bytes, more: int) -> bytes:
    length = int.from_bytes(data[140:144], "little") + more
    return data[:140] + length.to_bytes(4, "little") + data[144:]


def test_bits_of_another_place_are_read_in_every_plain_encoding(pool):
    expected = shown(decode(pool, dicom(pattern(), BitsStored=12, WindowCenter="2000", WindowWidth="1500")))

    def packed(source: FileDataset) -> None:
        source.compress(uid.RLELossless)

    tags = {"BitsStored": 12, "HighBit": 15, "WindowCenter": "2000", "WindowWidth": "1500"}
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        assert np.array_equal(shown(decode(pool, in_syntax(pattern() << 4, syntax, **tags))), expected)
    assert np.array_equal(shown(decode(pool, edited(dicom(pattern() << 4, **tags), packed))), expected)


def test_a_codestream_of_12_bits_has_them_at_its_lower_end(pool):
    tags = {"BitsStored": 12, "WindowCenter": "2000", "WindowWidth": "1500"}
    expected = shown(decode(pool, dicom(pattern(), **tags)))
    for name, syntax in (("jpeg_lossless", uid.JPEGLossless), ("jpeg_lossless_sv1", uid.JPEGLosslessSV1)):
        data = packed([codestream(name)], pattern(), syntax, HighBit=15, **tags)
        assert np.array_equal(shown(decode(pool, data)), expected)


def test_a_packed_file_whose_header_is_written_implicitly_is_read(pool):
    tags = {"BitsStored": 12, "WindowCenter": "2000", "WindowWidth": "1500"}
    made = dcmread(io.BytesIO(packed([codestream("jpeg_ls")], pattern(), uid.JPEGLSLossless, **tags)))
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    meta = {tag: made[tag] for tag in made.keys() if tag < 0x7FE00010}  # noqa: SIM118 - its iterator gives elements
    write_dataset(buffer, Dataset(meta))
    pixels = b"\xe0\x7f\x10\x00\xff\xff\xff\xff" + made.PixelData + b"\xfe\xff\xdd\xe0\0\0\0\0"
    whole = written(made)
    start = 144 + int.from_bytes(whole[140:144], "little")
    decoded = decode(pool, whole[:start] + buffer.getvalue() + pixels)
    assert np.array_equal(shown(decoded), shown(decode(pool, whole)))
    assert "another encoding" in notes(decoded)
    assert pool.decode(decoded.stored, own=True).rendition == decoded.rendition
