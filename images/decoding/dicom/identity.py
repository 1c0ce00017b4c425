"""Whose picture a file says it is, and which one: patient, study, series and instance (PS3.3 7.3.1, C.7.1.1, C.7.2.1).

A patient's number holds only where it was issued: two hospitals number their patients alike.
"""

from typing import Final

from pydicom import Dataset

from images.decoding.deid.keyed import keyed_uid
from images.decoding.dicom.elements import items, text, whole
from images.scan_facts import FACTS

Identity = dict[str, str | int | None]

# As HL7 version 2 writes a number and who issued it (CX.1 and CX.4).
ISSUED_BY: Final = "^^^"
_MAX_ISSUER: Final = 120
_UIDS: Final = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "instance": "SOPInstanceUID"}
_NUMBERS: Final = {"series_number": "SeriesNumber", "instance_number": "InstanceNumber"}


def identity(dataset: Dataset, secret: bytes | None) -> Identity:
    """`patient`: the raw id, with its issuer where the file names one; None where there is none. `study`, `series`,
    `instance`: the UIDs as the stored file has them, made with the project's `secret`; without one as they are."""
    uids = {name: text(dataset, keyword) for name, keyword in _UIDS.items()}
    kept = {name: keyed_uid(secret, uid) if secret and uid else uid for name, uid in uids.items()}
    return {"patient": patient(dataset), **kept, **{name: whole(dataset, word) for name, word in _NUMBERS.items()}}


def patient(dataset: Dataset) -> str | None:
    """The raw id of the patient, at most as long as a form takes it."""
    number = text(dataset, "PatientID")
    if not number:
        return None
    issuer = _issuer(dataset)[:_MAX_ISSUER]
    longest = FACTS["patient"].max_length - (len(ISSUED_BY) + len(issuer) if issuer else 0)
    return f"{number[:longest]}{ISSUED_BY}{issuer}" if issuer else number[:longest]


def _issuer(dataset: Dataset) -> str:
    """Who issued the number: IssuerOfPatientID and what qualifies it (PS3.3 table 10-18), as the parts of HL7's CX.4."""
    parts = [text(dataset, "IssuerOfPatientID")]
    for qualifiers in items(dataset, "IssuerOfPatientIDQualifiersSequence")[:1]:
        parts += [text(qualifiers, "UniversalEntityID"), text(qualifiers, "UniversalEntityIDType")]
        for place in items(qualifiers, "AssigningFacilitySequence")[:1]:
            parts += [text(place, "LocalNamespaceEntityID"), text(place, "UniversalEntityID")]
        for name in ("AssigningJurisdictionCodeSequence", "AssigningAgencyOrDepartmentCodeSequence"):
            parts += [text(code, "CodeValue") or text(code, "LongCodeValue") for code in items(qualifiers, name)[:1]]
    return "&".join(parts).rstrip("&")
