"""De-identification of DICOM data sets: what docs/privacy.md promises, element by element."""

import csv
import io

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread, dcmwrite, uid
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from images.decoding.deid.options import DeidOptions, Report
from images.decoding.deid.sweep import deidentify
from images.decoding.deid.table import _SAFE_TEXT, RULES

PLANTED = "PLANTED"
SECRET = b"0123456789abcdef"
TEXT_VRS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
NOTHING = DeidOptions(
    secret=SECRET, keep_patient_characteristics=False, keep_institution=False, shift_dates=False, patient_override="P1"
)


def dataset(**tags) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3.1"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.2", "1.2.3.3"
    made.PatientName, made.PatientID = "Doe^Jane", "4711"
    made.Rows = made.Columns = 4
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.add(DataElement("PixelData", "OB", bytes(range(16))))
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def treated(made: Dataset, **options) -> tuple[Dataset, Report]:
    report = deidentify(made, DeidOptions(**{"secret": SECRET, "patient_override": "P1", **options}))
    return made, report


def written(made: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def actions(report: Report) -> dict[str, str]:
    return {row["keyword"]: row["action"] for row in report.actions}


def test_no_text_element_of_the_dictionary_survives_but_the_listed_ones():
    made = dataset()
    for tag, (vr, _, _, _, _) in DicomDictionary.items():
        if vr in TEXT_VRS and tag >> 16 > 2:
            made.add(DataElement(tag, vr, PLANTED))
    deidentify(made, NOTHING)
    survivors = {element.keyword for element in made if str(element.value) == PLANTED}
    assert survivors == _SAFE_TEXT


@pytest.mark.parametrize("vr", ["DA", "DT", "TM"])
def test_no_date_or_time_of_the_dictionary_survives_without_the_option(vr):
    planted = {"DA": "19990203", "DT": "19990203040506", "TM": "040506.123"}[vr]
    made = dataset()
    for tag, (known, _, _, _, _) in DicomDictionary.items():
        if known == vr and tag >> 16 > 2:
            made.add(DataElement(tag, vr, planted))
    deidentify(made, NOTHING)
    assert [element.keyword for element in made if vr == element.VR and str(element.value) == planted] == []


def test_every_instance_uid_is_replaced_and_the_same_one_by_the_same():
    made = dataset(FrameOfReferenceUID="1.2.3.2", IrradiationEventUID=["1.2.3.2", "1.2.3.9"])
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = uid.CTImageStorage, "1.2.3.1"
    made.SourceImageSequence = [item]
    treated(made)
    assert made.StudyInstanceUID.startswith("2.25.")
    assert made.FrameOfReferenceUID == made.StudyInstanceUID == made.IrradiationEventUID[0]
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == made.SOPInstanceUID
    assert made.SourceImageSequence[0].ReferencedSOPClassUID == uid.CTImageStorage
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    other, _ = treated(dataset(), secret=b"another secret 16")
    assert other.StudyInstanceUID != made.StudyInstanceUID
    assert b"1.2.3." not in written(made)


def test_the_same_file_and_options_give_the_same_bytes():
    tags = {"StudyDate": "20200131", "ReferringPhysicianName": "House^Gregory", "StudyTime": "101500"}
    assert written(treated(dataset(**tags))[0]) == written(treated(dataset(**tags))[0])


def test_the_dates_of_a_patient_move_together_and_times_stay():
    first, report = treated(
        dataset(StudyDate="20200131", AcquisitionDateTime="20200131101500.5+0100", StudyTime="1015")
    )
    second, _ = treated(dataset(StudyDate="20200302", SOPInstanceUID="1.9"))
    days = np.datetime64(_iso(second.StudyDate)) - np.datetime64(_iso(first.StudyDate))
    assert days == np.timedelta64(31, "D")
    moved = np.datetime64(_iso(first.StudyDate)) - np.datetime64("2020-01-31")
    assert report.shift_days == moved.astype(int) and -1857 <= report.shift_days <= -31
    assert first.AcquisitionDateTime == f"{first.StudyDate}101500.5+0100"
    assert first.StudyTime == "1015"
    other, _ = treated(dataset(StudyDate="20200131"), patient_override="P2")
    assert other.StudyDate != first.StudyDate
    assert actions(report)["StudyDate"] == "shifted"
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"


def _iso(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}"


@pytest.mark.parametrize("value", ["Jane Doe", "20201399", "2020013", "00010101", "20200101-20200102"])
def test_a_date_that_is_none_is_emptied(value):
    made = dataset()
    element = DataElement("SeriesDate", "DA", "")
    element._value = value
    made.add(element)
    treated(made)
    assert made.SeriesDate in ("", None)


def test_a_file_without_a_patient_gets_none_and_its_study_moves_together():
    made, report = treated(dataset(PatientID="", PatientName="Doe^Jane", StudyDate="20200131"), patient_override=None)
    assert (str(made.PatientName), made.PatientID) == ("", "")
    _, again = treated(dataset(PatientID="", SOPInstanceUID="1.2.3.77"), patient_override=None)
    assert report.shift_days == again.shift_days


def test_patient_and_institution_are_kept_only_with_their_options():
    tags = {"PatientAge": "047Y", "PatientSex": "F", "PatientWeight": "70", "InstitutionName": "St. Mary"}
    kept, report = treated(dataset(**tags, PatientBirthDate="19730101", StationName="CT1"))
    assert (kept.PatientAge, kept.PatientSex, kept.InstitutionName) == ("047Y", "F", "St. Mary")
    assert actions(report)["PatientAge"] == "kept"
    assert kept.PatientBirthDate == "" and kept.StationName == ""
    assert [item.CodeValue for item in kept.DeidentificationMethodCodeSequence] == [
        "113100", "113107", "113112", "113108",
    ]  # fmt: skip
    bare = dataset(**tags)
    report = deidentify(bare, NOTHING)
    assert "PatientAge" not in bare and bare.PatientSex == "" and bare.InstitutionName == ""
    assert [item.CodeValue for item in bare.DeidentificationMethodCodeSequence] == ["113100"]
    assert bare.PatientIdentityRemoved == "YES"


def test_an_age_above_89_is_kept_as_90():
    made, report = treated(dataset(PatientAge="097Y"))
    assert made.PatientAge == "090Y" and actions(report)["PatientAge"] == "replaced"


def test_private_unknown_curve_and_overlay_elements_go_at_every_depth():
    made = dataset()
    item = Dataset()
    item.private_block(0x0009, "VENDOR", create=True).add_new(1, "LO", PLANTED)
    item.AccessionNumber = PLANTED
    item.BodyPartExamined = "CHEST"
    made.AnatomicRegionSequence = Sequence([item])
    made.private_block(0x0011, "VENDOR", create=True).add_new(1, "UN", PLANTED.encode())
    made.add(DataElement(0x00089999, "LO", PLANTED))
    made.add(DataElement(0x60003000, "OW", PLANTED.encode() + b"\0"))
    made.add(DataElement(0x60004000, "LT", PLANTED))
    made.add(DataElement(0x50003000, "OW", PLANTED.encode() + b"\0"))
    made.add(DataElement(0xFFFCFFFC, "OB", PLANTED.encode() + b"\0"))
    made, report = treated(made)
    assert PLANTED.encode() not in written(made)
    assert made.AnatomicRegionSequence[0].BodyPartExamined == "CHEST"
    assert {"tag": "(0008,2218) > (0008,0050)", "keyword": "AccessionNumber", "action": "emptied"} in report.actions
    assert {"tag": "(0011,xxxx)", "keyword": "private", "action": "removed"} in report.actions


def test_a_name_in_a_number_a_code_or_under_another_type_goes():
    made = dataset()
    made.add(DataElement("KVP", "LO", PLANTED))
    made.add(DataElement("NumberOfTemporalPositions", "UT", PLANTED))
    made.add(DataElement("BodyPartExamined", "CS", f"{PLANTED} IN A VERY LONG CODE"))
    made.add(DataElement("LUTData", "OB", b"x"))
    made.add(DataElement("ICCProfile", "OB", PLANTED.encode() + b"\0"))
    made.add(DataElement("ManufacturerModelName", "LO", PLANTED * 20))
    made, _ = treated(made)
    assert PLANTED.encode() not in written(made)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("KVP", "SMITHJ"),
        ("KVP", "120\0SMITH "),
        ("KVP", f"{' ' * 100_000}x{'1' * 100_000}SMITH"),
        ("SeriesNumber", "12SMITH "),
        ("SliceLocation", "1.5\\SMITH "),
        ("IrradiationEventUID", "1.2.840.10008.SMITH "),
        ("ReferencedSOPClassUID", "1.2.840.10008.SMITH "),
        ("Modality", "SMITH^JOHN"),
        ("BodyPartExamined", "SMITH, JOHN OF LONDON "),
    ],
)
def test_text_in_the_bytes_of_a_number_uid_or_code_goes(keyword, value):
    """As a file brings it: pydicom hands on what it cannot convert."""
    made = dataset()
    tag, vr = tag_for_keyword(keyword), dictionary_VR(keyword)
    raw = value.encode()
    made._dict[BaseTag(tag)] = RawDataElement(BaseTag(tag), vr, len(raw), raw, 0, False, True)
    treated(made)
    assert b"SMITH" not in written(made)


@pytest.mark.parametrize(
    ("keyword", "value"), [("KVP", "120 "), ("SliceLocation", "-1.5e-3 "), ("SeriesNumber", " 12 ")]
)
def test_numbers_stay_as_they_were_written(keyword, value):
    made = dataset()
    tag = BaseTag(tag_for_keyword(keyword))
    raw = value.encode()
    made._dict[tag] = RawDataElement(tag, dictionary_VR(keyword), len(raw), raw, 0, False, True)
    treated(made)
    assert value.strip().encode() in written(made)


def test_sequences_without_end_go():
    made = inner = dataset()
    for _ in range(60):
        item = Dataset()
        inner.AnatomicRegionSequence = Sequence([item])
        inner = item
    inner.KVP = "120"
    treated(made)
    depth = 0
    while "AnatomicRegionSequence" in made:
        made, depth = made.AnatomicRegionSequence[0], depth + 1
    assert depth < 30


def test_file_meta_information_and_preamble_are_new():
    made = dataset()
    made.preamble = PLANTED.encode().ljust(128, b"\0")
    made.file_meta.SourceApplicationEntityTitle = PLANTED
    made.file_meta.ImplementationVersionName = PLANTED
    made.file_meta.PrivateInformationCreatorUID = "1.2.3"
    made.file_meta.PrivateInformation = PLANTED.encode() + b"\0"
    data = written(treated(made)[0])
    assert data[:128] == bytes(128) and PLANTED.encode() not in data


def test_the_report_holds_no_value_and_has_an_end():
    made = dataset(ReferringPhysicianName=PLANTED)
    for number in range(1, 200):
        block = made.private_block(0x0009 + 2 * number, PLANTED, create=True)
        block.add_new(1, "LO", PLANTED)
        block.add_new(2, "LO", PLANTED)
    items = [Dataset() for _ in range(3000)]
    for item in items:
        item.AccessionNumber = PLANTED
    made.AnatomicRegionSequence = Sequence(items)
    _, report = treated(made)
    assert PLANTED not in repr(report)
    assert len(report.actions) < 300
    assert len(report.profile) <= 200
    assert {row["action"] for row in report.actions} <= {"removed", "emptied", "replaced", "shifted", "kept"}


def test_the_secret_is_not_shown_and_not_short():
    assert SECRET.decode() not in repr(DeidOptions(secret=SECRET))
    with pytest.raises(ValueError, match="secret"):
        DeidOptions(secret=b"short")


def test_the_table_is_the_standards():
    assert len(RULES) == 652
    assert RULES[0x00100010].action == "emptied" and RULES[0x00181000].action == "emptied"
    assert RULES[0x00100040].kept_with == {"patient"} and RULES[0x00080020].kept_with == {"dates"}


def test_real_files_keep_their_pixels_and_lose_their_names(shared_data):
    with (shared_data / "dicom" / "MANIFEST.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        before, made = (dcmread(shared_data / "dicom" / row["file"]) for _ in range(2))
        treated(made, patient_override=None)
        data = written(made)
        assert (dcmread(io.BytesIO(data)).pixel_array == before.pixel_array).all()
        for planted in (row["patient_name_tag"], row["patient_id_tag"]):
            header = data[: data.find(b"\xe0\x7f\x10\x00")]
            assert len(planted) < 4 or planted.encode() not in header, row["file"]
