"""A stored DICOM file is as valid as the received one: what its IOD demands is there, and says nothing."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite, uid

from images.decoding.deid import conformance
from images.decoding.deid.options import DeidOptions
from images.decoding.deid.sweep import deidentify
from tests.conftest import PATIENCE_S
from tests.images.decoding.test_deidentify import PLANTED, SECRET, dataset, written

BARE = {"keep_patient_characteristics": False, "keep_institution": False, "shift_dates": False}


def treated(made: Dataset, **options) -> Dataset:
    deidentify(made, DeidOptions(**{"secret": SECRET, "patient_override": "P1", **options}))
    return made


def with_lut(label: str) -> Dataset:
    item = Dataset()
    item.LUTLabel = label
    return item


@pytest.mark.parametrize("options", [{}, BARE])
def test_what_an_iod_demands_stays_and_says_nothing(options):
    made = treated(
        dataset(
            SOPClassUID=uid.EnhancedCTImageStorage,
            PositionReferenceIndicator=PLANTED,
            DeviceSerialNumber=PLANTED,
            AcquisitionProtocolName=PLANTED,
            ContentDate="20240102",
            RealWorldValueMappingSequence=[with_lut(PLANTED), with_lut(PLANTED), with_lut("other")],
        ),
        **options,
    )
    assert made.PositionReferenceIndicator == "" and made.DeviceSerialNumber == "REMOVED"
    assert made.ContentDate not in ("", "20240102") and "AcquisitionProtocolName" not in made
    labels = [item.LUTLabel for item in made.RealWorldValueMappingSequence]
    assert labels[0] == labels[1] != labels[2] and all(len(label) == 16 for label in labels)
    assert PLANTED.encode() not in written(made)


def test_the_same_element_is_emptied_where_the_iod_lets_it_be_empty():
    made = treated(dataset(SOPClassUID=uid.CTImageStorage, DeviceSerialNumber=PLANTED, StationName=PLANTED))
    assert (made.DeviceSerialNumber, made.StationName) == ("", "")


def test_a_sequence_is_not_left_without_items_where_that_is_not_lawful():
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uid.CTImageStorage, "1.2.3.9"
    made = dataset(SOPClassUID=uid.CTImageStorage, ReferencedPatientSequence=[reference])
    made.ReferencedStudySequence, made.AcquisitionContextSequence = [reference], [with_lut(PLANTED)]
    treated(made)
    assert "ReferencedStudySequence" not in made and "ReferencedPatientSequence" not in made
    assert len(made.AcquisitionContextSequence) == 0


@pytest.mark.parametrize(
    ("sop_class", "parent", "keyword", "expected"),
    [
        ("2", "", "PositionReferenceIndicator", "2"),
        ("2.1", "", "DeviceSerialNumber", "1"),
        ("2", "", "DeviceSerialNumber", ""),
        ("2", "XRayFilterSequence", "DeviceSerialNumber", "2"),
        ("7", "RealWorldValueMappingSequence", "LUTLabel", "1"),
        ("2", "", "InstitutionAddress", ""),
    ],
)
def test_demands_are_the_iods(sop_class, parent, keyword, expected):
    assert conformance.demand(f"1.2.840.10008.5.1.4.1.1.{sop_class}", parent, keyword) == expected


def errors(path: Path) -> set[str]:
    """What dciodvfy finds; that two UIDs are one it says with the UIDs, which have changed."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, check=False, timeout=PATIENCE_S)
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    return {line for line in lines if line.startswith("Error") and "has same value as" not in line}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed (apt-get install dicom3tools)")
@pytest.mark.parametrize("options", [{}, BARE], ids=["as usual", "with nothing kept"])
def test_no_real_file_is_less_valid_afterwards(shared_data, tmp_path, options):
    worse = {}
    for path in sorted((shared_data / "dicom").glob("*.dcm")):
        made = treated(dcmread(path), **options)
        buffer, stored = io.BytesIO(), tmp_path / path.name
        dcmwrite(buffer, made, enforce_file_format=True)
        stored.write_bytes(buffer.getvalue())
        if found := errors(stored) - errors(path):
            worse[path.name] = sorted(found)
    assert worse == {}
