"""What a DICOM file says about its scan, and what is kept of the file."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import FileDataset

from images import decoding
from images.decoding import DecoderPool, Undecodable
from tests.conftest import PATIENCE_S
from tests.images.decoding.codestreams import pattern
from tests.images.decoding.conftest import encode, gradient
from tests.images.decoding.dicoms import dataset, decode, dicom, edited, in_syntax, written

SAID = {
    "Modality": "DX", "PatientID": " PAT-7 ", "PatientSex": "F", "PatientAge": "045Y", "InstitutionName": "St. Anna",
    "BodyPartExamined": "CHEST", "ViewPosition": "PA", "ImageLaterality": "L", "Manufacturer": "ACME",
    "ManufacturerModelName": "Ray 3", "PixelSpacing": ["0.143", "0.143"], "AcquisitionDate": "20240531",
    "AcquisitionTime": "143000.5",
}  # fmt: skip


def tag(pool: DecoderPool, name: str, **tags):
    return decode(pool, dicom(pattern(), **tags)).tags[name]


def test_the_facts_of_a_scan_are_read_from_its_tags(pool):
    assert decode(pool, dicom(pattern(), **SAID)).tags == {
        "modality": "DX", "patient": "PAT-7", "sex": "F", "age": 45.0, "institution": "St. Anna", "body_part": "CHEST",
        "view": "PA", "laterality": "L", "device": "ACME Ray 3", "pixel_spacing": 0.143, "pixel_spacing_at": "",
        "capture_date": "2024-05-31T14:30:00",
    }  # fmt: skip


def test_what_a_file_does_not_say_is_empty(pool):
    tags = decode(pool, dicom(pattern(), PatientID="", Modality="")).tags
    assert {name for name, value in tags.items() if value} == set()
    assert (tags["patient"], tags["age"], tags["pixel_spacing"], tags["capture_date"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "010D"}, 0.03),
        ({"PatientAge": "000D"}, 0.0),
        ({"PatientAge": "999Y"}, None),
        ({"PatientAge": "old"}, None),
        ({"PatientBirthDate": "19610412", "StudyDate": "20240411"}, 62.0),
        ({"PatientBirthDate": "19610412", "StudyDate": "20240412"}, 63.0),
        ({"PatientBirthDate": "20250101", "StudyDate": "20240412"}, None),
        ({"PatientBirthDate": "19610412"}, None),
    ],
)
def test_age_comes_in_years_or_not_at_all(pool, tags, expected):
    assert tag(pool, "age", **tags) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"StudyDate": "20240531"}, "2024-05-31"),
        ({"StudyDate": "20240531", "AcquisitionDate": "20240530"}, "2024-05-30"),
        ({"StudyDate": "2024.05.31", "StudyTime": "08:15"}, "2024-05-31T08:15:00"),
        ({"AcquisitionDateTime": "20240531101112.000000+0200"}, "2024-05-31T08:11:12+00:00"),
        ({"StudyDate": "20240531", "StudyTime": "0030", "TimezoneOffsetFromUTC": "+0200"}, "2024-05-30T22:30:00+00:00"),
        ({"StudyDate": "20240531", "StudyTime": "9999"}, "2024-05-31"),
        ({"StudyDate": "18240531"}, None),
        ({"StudyDate": "20249931"}, None),
        ({"StudyDate": "yesterday"}, None),
    ],
)
def test_the_moment_of_capture_is_iso_8601(pool, tags, expected):
    assert tag(pool, "capture_date", **tags) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelSpacing": ["0.2", "0.2"], "ImagerPixelSpacing": ["0.25", "0.25"]}, 0.2),
        ({"ImagerPixelSpacing": ["0.25", "0.25"]}, 0.25),
        ({"PixelSpacing": ["0", "0"]}, None),
        ({"PixelSpacing": ["5000", "5000"]}, None),
        ({"PixelSpacing": ["0.2", "0.3"]}, None),
    ],
)
def test_pixel_spacing_is_one_number_or_none(pool, tags, expected):
    decoded = decode(pool, dicom(pattern(), **tags))
    assert decoded.tags["pixel_spacing"] == expected
    assert any("not square" in note for note in decoded.notes) == (tags.get("PixelSpacing") == ["0.2", "0.3"])


def test_texts_are_one_printable_line_of_bounded_length(pool):
    value = tag(pool, "institution", InstitutionName="St.\x1b\x07 Anna\t\n " + "x" * 300)
    assert value.startswith("St. Anna xxx")
    assert len(value) == 200


def test_other_alphabets_are_read(pool):
    assert tag(pool, "institution", SpecificCharacterSet="ISO_IR 144", InstitutionName="Больница") == "Больница"
    assert tag(pool, "institution", SpecificCharacterSet="ISO_IR 192", InstitutionName="病院") == "病院"
    assert tag(pool, "institution", SpecificCharacterSet="GB18030", InstitutionName="医院") == "医院"


def test_what_is_kept_is_a_dicom_file_with_the_same_pixels_and_without_the_patient(pool):
    data = dicom(pattern(), **SAID)
    decoded = decode(pool, data)
    kept = dcmread(io.BytesIO(decoded.stored))
    assert np.array_equal(kept.pixel_array, pattern())
    assert kept.PatientID != "PAT-7"
    assert b"Doe" not in decoded.stored
    assert {"PatientName", "PatientID"} <= {action["keyword"] for action in decoded.actions}
    assert all(set(action) == {"tag", "keyword", "action"} for action in decoded.actions)
    assert decoded.profile


def test_a_deflated_file_is_kept_unpacked(pool):
    decoded = decode(pool, in_syntax(pattern(), uid.DeflatedExplicitVRLittleEndian))
    kept = dcmread(io.BytesIO(decoded.stored))
    assert kept.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert np.array_equal(kept.pixel_array, pattern())


def test_what_follows_the_pixels_is_left_out_and_said_to_be(pool):
    def add_tail(source: FileDataset) -> None:
        source.add_new(0x7FE11001, "OB", b"SECRETSECRET")

    padded = decode(pool, dicom(pattern(), DataSetTrailingPadding=bytes(100)))
    assert padded.notes == decode(pool, dicom(pattern())).notes
    decoded = decode(pool, edited(dicom(pattern()), add_tail))
    assert b"SECRET" not in decoded.stored
    assert any("follows the pixels" in note for note in decoded.notes)


@pytest.mark.parametrize("value", ["YES", "yes "])
def test_a_picture_that_says_it_has_writing_in_it_is_held(pool, value):
    assert decode(pool, dicom(pattern(), BurnedInAnnotation=value)).hold == "burned_in_annotation"
    assert decode(pool, dicom(pattern(), BurnedInAnnotation="NO")).hold == ""


def test_a_dicom_file_is_never_decoded_without_saying_what_is_kept_of_it(pool):
    with pytest.raises(ValueError, match="de-identification"):
        pool.decode(dicom(pattern()))
    with pytest.raises(ValueError, match="de-identification"):
        decode(pool, dicom(pattern()), own=True)


def test_without_the_rendition_everything_else_is_the_same(pool):
    for data in (dicom(pattern(), **SAID), encode(gradient(), "JPEG"), encode(gradient(3000, 2000), "PNG")):
        whole, quick = decode(pool, data), decode(pool, data, rendition=False)
        assert quick.rendition == b""
        assert (quick.tile, quick.thumbnail, quick.phash) == (whole.tile, whole.thumbnail, whole.phash)
        assert (quick.stored, quick.tags, quick.notes) == (whole.stored, whole.tags, whole.notes)


def test_a_file_with_a_preview_inside_shows_its_own_picture(pool):
    icon = dataset(pattern()[:8, :8])
    del icon.file_meta
    source = dataset(pattern(), IconImageSequence=[icon], WindowCenter="2000", WindowWidth="3000")
    for undefined in (False, True):
        source["IconImageSequence"].is_undefined_length = icon.is_undefined_length_sequence_item = undefined
        decoded = decode(pool, written(source))
        assert (decoded.width, decoded.height) == (20, 24)
        assert np.array_equal(dcmread(io.BytesIO(decoded.stored)).pixel_array, pattern())


@pytest.mark.parametrize(
    "keyword", ["PixelData", "Rows", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation"]
)
def test_a_file_without_what_a_picture_needs_is_refused(pool, keyword):
    with pytest.raises(Undecodable) as caught:
        decode(pool, dicom(pattern(), **{keyword: None}))
    assert caught.value.code == ("no_picture" if keyword == "PixelData" else "corrupt")


def test_a_file_that_leaves_out_what_can_be_told_is_read(pool):
    bare = decode(pool, dicom(pattern(), BitsStored=None, PixelRepresentation=None, HighBit=None))
    assert bare.tile == decode(pool, dicom(pattern())).tile


def test_the_process_that_starts_the_children_does_without_pydicom():
    script = "import sys, images.decoding; sys.exit(bool({'pydicom', 'numpy', 'PIL'} & set(sys.modules)))"
    root = Path(decoding.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False, timeout=PATIENCE_S).returncode == 0
