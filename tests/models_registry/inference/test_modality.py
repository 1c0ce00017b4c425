"""Which modalities contradict each other, in the words of DICOM and of people."""

import pytest

from models_registry.inference.modality import codes, contradict


@pytest.mark.parametrize(
    ("scan", "project"),
    [
        ("CT", "X-ray"),
        ("CT", "chest X-ray"),
        ("MR", "CT"),
        ("US", "DX"),
        ("MG", "CR"),
        ("DX", "Mammography"),
        ("SM", "Dermoscopy"),
        ("OPT", "fundus photography"),
        ("ct", "Radiograph"),
        ("PT", "MRI"),
    ],
)
def test_known_contradictions(scan, project):
    assert contradict(scan, project)
    assert contradict(project, scan)


@pytest.mark.parametrize(
    ("scan", "project"),
    [
        ("DX", "X-ray"),
        ("CR", "DX"),
        ("MG", "X ray"),
        ("XR", "xray"),
        ("CT", "PET/CT"),
        ("MR", "MRI"),
        ("US", "Ultrasound"),
        ("OT", "X-ray"),
        ("", "X-ray"),
        ("CT", ""),
        ("CT", "Radiology, ward 3"),
        ("DX", "Actual chest films"),
        ("DX", "for us: post op chest, see Mr Kim"),
        ("CT", "CT of the chest, for X-ray doctors"),
    ],
)
def test_what_may_be_the_same_or_is_not_known_contradicts_nothing(scan, project):
    assert not contradict(scan, project)


def test_words_are_whole_words():
    assert codes("Structure") == codes("Octopus") == frozenset()
