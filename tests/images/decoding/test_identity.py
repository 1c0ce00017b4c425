"""What a DICOM file says of whom it shows, how large its pixels are, when it was taken: the elements, without a decoder."""

import io
import warnings

import pytest
from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset

from images.decoding.deid.values import new_uid
from images.decoding.dicom import groups
from images.decoding.dicom.identity import identity, patient
from images.decoding.dicom.kinds import require_picture
from images.decoding.dicom.tags import tags
from images.decoding.errors import Undecodable

STORAGE = "1.2.840.10008.5.1.4.1.1."
SECRET = b"0123456789abcdef"


def item(**values) -> Dataset:
    made = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in values.items():
            setattr(made, keyword, value)
    return made


def told(source: Dataset) -> tuple[dict, list[str]]:
    """The facts and the notes."""
    flat, notes = Dataset(), []
    groups.flatten(source, flat, 0)
    return tags(source, flat, notes), notes


def raw(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return tag.to_bytes(4, "little")[2:] + tag.to_bytes(4, "little")[:2] + vr + len(value).to_bytes(2, "little") + value


def read(*elements: bytes) -> Dataset:
    return read_dataset(io.BytesIO(b"".join(elements)), is_implicit_VR=False, is_little_endian=True)


def region(step: float, *, kind: int = 1, unit: int = 3, across: float | None = None) -> Dataset:
    return item(
        RegionSpatialFormat=kind, PhysicalUnitsXDirection=unit, PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=step if across is None else across, PhysicalDeltaY=step,
    )  # fmt: skip


def with_modifiers(view: tuple[str, str], *modifiers: Dataset) -> Dataset:
    made = code(*view)
    made.ViewModifierCodeSequence = list(modifiers)
    return made


MLO, CC = ("399368009", "medio-lateral oblique"), ("399162004", "cranio-caudal")


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


A, B = ["0.1", "0.1"], ["0.2", "0.2"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"Modality": "CT", "PixelSpacing": A}, (0.1, "patient")),
        ({"Modality": "CR", "PixelSpacing": A}, (0.1, "")),
        ({"Modality": "DX", "ImagerPixelSpacing": B}, (0.2, "detector")),
        ({"Modality": "DX", "ImagerPixelSpacing": B, "PixelSpacing": B}, (0.2, "detector")),
        ({"Modality": "DX", "ImagerPixelSpacing": B, "PixelSpacing": A}, (0.1, "patient")),
        (
            {"ImagerPixelSpacing": B, "PixelSpacing": B, "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.2, "patient"),
        ),
        ({"ImagerPixelSpacing": A, "EstimatedRadiographicMagnificationFactor": "1.8"}, (0.1 / 1.8, "patient")),
        ({"ImagerPixelSpacing": A, "EstimatedRadiographicMagnificationFactor": "0"}, (0.1, "detector")),
        ({"NominalScannedPixelSpacing": A}, (0.1, "film")),
        ({"SequenceOfUltrasoundRegions": [region(0.02)]}, (0.2, "patient")),
        ({"SequenceOfUltrasoundRegions": [region(-0.02, across=0.02)], "PixelSpacing": A}, (0.2, "patient")),
        ({"SequenceOfUltrasoundRegions": [region(0.02), region(0.5, kind=3), region(9, unit=4)]}, (0.2, "patient")),
        ({"SequenceOfUltrasoundRegions": [region(0.5, kind=2)]}, (None, "")),
        ({"SharedFunctionalGroupsSequence": [item(PixelMeasuresSequence=[item(PixelSpacing=A)])]}, (0.1, "patient")),
        ({}, (None, "")),
    ],
)
def test_a_spacing_comes_with_where_it_holds(said, expected):
    facts, _ = told(item(**said))
    assert facts["pixel_spacing"] == (None if expected[0] is None else pytest.approx(expected[0]))
    assert facts["pixel_spacing_at"] == expected[1]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (read(raw(0x00280030, b"DS", b"0,143\\0,143")), "PixelSpacing"),
        (read(raw(0x00280030, b"DS", b"0.143,0.143")), "PixelSpacing"),
        (read(raw(0x00280030, b"DS", b"0.143")), "PixelSpacing"),
        (read(raw(0x00280030, b"DS", b"wide\\wide")), "PixelSpacing"),
        (read(raw(0x00181164, b"DS", b"1e999\\1e999")), "ImagerPixelSpacing"),
        (item(PixelSpacing=["0", "0"]), "PixelSpacing"),
        (item(PixelSpacing=["0.5", "1"]), "0.5 × 1 mm"),
        (item(SequenceOfUltrasoundRegions=[region(0.02), region(0.03)]), "different scales"),
        (item(ImagerPixelSpacing=A, EstimatedRadiographicMagnificationFactor="0.2"), "magnification"),
    ],
)
def test_a_spacing_that_cannot_be_read_or_is_no_single_number_is_named(source, words):
    facts, notes = told(source)
    assert facts["pixel_spacing"] is None or "magnification" in words
    assert [note for note in notes if words in note]


def test_a_spacing_with_a_comma_in_a_functional_group_is_named_too():
    source = item(PixelMeasuresSequence=[read(raw(0x00280030, b"DS", b"0,143\\0,143"))])
    facts, notes = told(item(SharedFunctionalGroupsSequence=[source]))
    assert facts["pixel_spacing"] is None and "PixelSpacing" in notes[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"ViewPosition": "PA", "ViewCodeSequence": [code("399368009", "x")]}, "PA"),
        ({"ViewCodeSequence": [code("399368009", "medio-lateral oblique")]}, "MLO"),
        ({"ViewCodeSequence": [code("R-10242", "cranio-caudal", "SRT")]}, "CC"),
        ({"ViewCodeSequence": [code("272479007", "postero-anterior")]}, "PA"),
        ({"ViewCodeSequence": [code("99", "a rare view", "99X")]}, "a rare view"),
        ({"ViewCodeSequence": []}, ""),
        ({"ViewCodeSequence": [with_modifiers(MLO, code("399209000", "Implant Displaced"))]}, "MLO ID"),
        (
            {
                "ViewPosition": "CC",
                "ViewCodeSequence": [
                    with_modifiers(
                        CC, code("R-102D6", "Magnification", "SRT"), code("R-102D7", "Spot Compression", "SRT")
                    )
                ],
            },
            "CC M S",
        ),
        ({"ViewPosition": "MLO ID", "ViewCodeSequence": [with_modifiers(MLO, code("399209000", "x"))]}, "MLO ID"),
        ({"ViewPosition": "PA", "ViewModifierCodeSequence": [code("286866000", "Mouth closed")]}, "PA mouth closed"),
        (
            {"ViewCodeSequence": [with_modifiers(MLO, code("9", "a modifier with far too many words in it", "99X"))]},
            "MLO a modifier with far too many",
        ),
    ],
)
def test_a_view_is_read_from_its_code(said, expected):
    assert told(item(**said))[0]["view"] == expected


def test_anatomy_is_read_from_codes_and_from_the_first_frame():
    assert told(item(AnatomicRegionSequence=[code("51185008", "Chest")]))[0]["body_part"] == "CHEST"
    anatomy = item(FrameLaterality="L", AnatomicRegionSequence=[code("76752008", "Breast")])
    other = item(FrameAnatomySequence=[item(FrameLaterality="R")])
    frames = [item(FrameAnatomySequence=[anatomy]), other]
    facts, _ = told(item(PerFrameFunctionalGroupsSequence=frames, BodyPartExamined="", Laterality="R"))
    assert (facts["body_part"], facts["laterality"]) == ("BREAST", "L")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"PatientBirthDate": "20240501", "StudyDate": "20240601"}, 0.08),
        ({"PatientBirthDate": "20231101", "StudyDate": "20240601"}, 0.58),
        ({"PatientBirthDate": "20240525", "StudyDate": "20240601"}, 0.02),
        ({"PatientBirthDate": "20220701", "StudyDate": "20240601"}, 1.92),
        ({"PatientBirthDate": "20220601", "StudyDate": "20240601"}, 2.0),
        ({"PatientBirthDate": "20231101", "StudyDate": "20240601", "PatientAge": "000Y"}, 0.58),
        ({"PatientBirthDate": "20231101", "StudyDate": "20240601", "PatientAge": "006M"}, 0.5),
        ({"PatientBirthDate": "20240602", "StudyDate": "20240601"}, None),
    ],
)
def test_an_infants_age_is_counted_in_months(said, expected):
    facts, notes = told(item(**said))
    assert facts["age"] == expected and notes == []


@pytest.mark.parametrize("age", ["000Y", "999Y", "old", "45"])
def test_an_age_that_says_nothing_is_empty_and_named(age):
    facts, notes = told(item(PatientAge=age))
    assert facts["age"] is None and ["PatientAge" in note for note in notes] == [True]
    assert age not in notes[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"AcquisitionDateTime": "20240531101600+0900"}, "2024-05-31T01:16:00+00:00"),
        ({"AcquisitionDateTime": "20240531001600.5-0330"}, "2024-05-31T03:46:00+00:00"),
        ({"AcquisitionDateTime": "20240531101600+0900", "TimezoneOffsetFromUTC": "+0100"}, "2024-05-31T01:16:00+00:00"),
        ({"AcquisitionDateTime": "20240531101600", "TimezoneOffsetFromUTC": "+0100"}, "2024-05-31T09:16:00+00:00"),
        ({"AcquisitionDateTime": "20240531101600+9900"}, "2024-05-31T10:16:00"),
        ({"AcquisitionDateTime": "2024"}, None),
        ({"AcquisitionDateTime": "20240531"}, "2024-05-31"),
    ],
)
def test_a_moments_own_zone_counts(said, expected):
    assert told(item(**said))[0]["capture_date"] == expected


@pytest.mark.parametrize(
    ("charset", "value", "expected"),
    [
        (b"\\ISO 2022 IR 58", b"\x1b$)A\xb5\xda\xd2\xbb\xd2\xbd\xd4\xba", "第一医院"),
        (b"\\ISO 2022 IR 58", b"Clinic \x1b$)A\xb5\xda\xd2\xbb\xd2\xbd\xd4\xba", "Clinic 第一医院"),
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xbc\xad\xbf\xef", "서울"),
        (b"ISO_IR 100", b"\x1b$)C\xbc\xad\xbf\xef", ""),
    ],
)
def test_letters_are_read_or_the_text_is_left_empty_and_named(charset, value, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts, notes = told(read(raw(0x00080005, b"CS", charset), raw(0x00080080, b"LO", value)))
    assert facts["institution"] == expected
    assert bool(notes) == (not expected)


QUALIFIED = item(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"PatientID": "4711"}, "4711"),
        ({"PatientID": "4711", "IssuerOfPatientID": "A"}, "4711^^^A"),
        ({"PatientID": "4711", "IssuerOfPatientIDQualifiersSequence": [QUALIFIED]}, "4711^^^&1.2.3&ISO"),
        (
            {"PatientID": "4711", "IssuerOfPatientID": "A", "IssuerOfPatientIDQualifiersSequence": [QUALIFIED]},
            "4711^^^A&1.2.3&ISO",
        ),
        ({"PatientID": "4711", "IssuerOfPatientID": "", "IssuerOfPatientIDQualifiersSequence": []}, "4711"),
        ({"PatientID": "", "IssuerOfPatientID": "A"}, None),
    ],
)
def test_a_patients_number_holds_where_it_was_issued(said, expected):
    assert patient(item(**said)) == expected


def test_a_file_tells_its_study_as_it_will_be_stored():
    source = item(StudyInstanceUID="1.2.3.4", SOPInstanceUID="1.2.3.5", SeriesNumber="3", InstanceNumber="-2")
    found = identity(source, SECRET)
    assert found["study"] == new_uid(SECRET, "1.2.3.4") and found["instance"] == new_uid(SECRET, "1.2.3.5")
    assert (found["series"], found["series_number"], found["instance_number"]) == ("", 3, -2)
    assert identity(source, None)["study"] == "1.2.3.4"


@pytest.mark.parametrize(
    ("uid", "modality", "words"),
    [
        ("66.4", "SEG", "a segmentation"), ("66.7", "SEG", "label map"), ("66.5", "SEG", "surface"),
        ("481.2", "RTDOSE", "dose"), ("481.3", "RTSTRUCT", "structure set"), ("481.5", "RTPLAN", "plan"),
        ("30", "MR", "parametric map"), ("88.33", "SR", "structured report"), ("88.59", "KO", "key object"),
        ("11.1", "PR", "presentation state"), ("9.1.1", "ECG", "waveform"), ("104.1", "DOC", "PDF"),
        ("66.1", "REG", "registration"), ("66", "CT", "raw data"), ("4.2", "MR", "spectra"),
        ("77.1.5.3", "SMR", "stereometric"), ("91.1", "ANN", "annotations"), ("66.99", "CT", "raw data"),
    ],
)  # fmt: skip
def test_what_is_no_picture_of_the_patient_is_refused_by_what_it_is(uid, modality, words):
    with pytest.raises(Undecodable, match=words) as refused:
        require_picture(kind(STORAGE + uid, modality))
    assert refused.value.code == "no_picture"


def kind(uid: str, modality: str) -> Dataset:
    made = item(SOPClassUID=uid, Modality=modality)
    made.file_meta = FileMetaDataset()
    return made


@pytest.mark.parametrize(
    ("uid", "modality"),
    [
        (STORAGE + "7", "SEG"), (STORAGE + "7.2", "SR"), (STORAGE + "2.1", "CT"), (STORAGE + "481.1", "RTIMAGE"),
        (STORAGE + "6.2", "US"), (STORAGE + "77.1.6", "SM"), (STORAGE + "77.1.5.7", "OPT"), (STORAGE + "20", "NM"),
        (STORAGE + "130", "PT"), ("1.3.12.2.1107.5.9.1", "MR"), ("", "DX"),
    ],
)  # fmt: skip
def test_secondary_captures_enhanced_and_unknown_classes_remain_pictures(uid, modality):
    require_picture(kind(uid, modality))


def test_a_class_that_nobody_knows_is_told_by_its_modality_and_a_missing_one_by_the_file():
    with pytest.raises(Undecodable, match="a segmentation"):
        require_picture(kind("1.3.12.2.1107.5.9.1", "SEG"))
    bare = kind("", "")
    bare.file_meta.MediaStorageSOPClassUID = STORAGE + "481.2"
    with pytest.raises(Undecodable, match="dose"):
        require_picture(bare)


def test_a_value_that_breaks_its_parser_costs_no_fact():
    source = read(raw(0x00200013, b"IS", b"x1"), raw(0x00200011, b"IS", b"2.5"), raw(0x00080060, b"CS", b"DX"))
    source.add(DataElement("ViewCodeSequence", "SQ", []))
    assert identity(source, None)["instance_number"] is None
    facts, _ = told(source)
    assert facts["modality"] == "DX"
