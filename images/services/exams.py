"""Who and which examination a scan belongs to: where what is stated about it meets what its file says.

One study is of one patient (PS3.3 7.3.1), a patient's number holds where it was issued, and a file that names another patient
than what is stated about it is named. Study, series and instance are kept as keyed codes, like patients.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Any, Final

from images.decoding.deid.keyed import keyed_uid
from images.facts import ISSUED_BY, PSEUDONYM, keyed, patient_of, standing_for
from images.models import Image, Project
from images.scan_facts import EXAM_FIELDS, ScanFacts
from images.services.identities import project_secret
from images.services.naming import issued
from mediscan_site.core.storage import ring

# The levels of DICOM's information model below the patient, each with the letters that its codes begin with.
LEVELS: Final = {"study": "ST", "series": "SE", "instance": "IN"}
CODES: Final = {name: re.compile(rf"{letters}[A-Z2-7]{{16}}") for name, letters in LEVELS.items()}
_UID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*)){3,}", re.ASCII)
_MAX_UID: Final = 64
# What spreadsheets make of a number: 0012345 becomes 12345, or 12345.0.
_DIGITS: Final = re.compile(r"0*(\d+)(\.0+)?", re.ASCII)
_LONGEST_NUMBER: Final = 12
_LOST_ZEROS: Final = (
    "The file names this patient with other zeros in front than what is stated about it; spreadsheets drop them. The number "
    "of the file was used. Keep the column of patients as text."
)
_OTHER_PATIENT: Final = (
    "The file names another patient than what is stated about it. The stated one was kept. Check whose scan it is."
)
_SIMILAR: Final = (
    "The project has scans of a patient whose number differs only in zeros in front or in who issued it. If they are one "
    "person, merge the two patients."
)
_TWO_PATIENTS: Final = (
    "Scans of the same study are kept under another patient, and a study is of one patient. In data sets they stay on one "
    "side. Merge the two patients, or correct the one that is wrong."
)
_WAS_HERE: Final = "The scan was already here under another patient, which it keeps. Change the scan if that is wrong."


@dataclass(frozen=True)
class Remark:
    """Something about a scan that a person should look at; nothing was refused for it. `of_all`: it holds for whatever came
    with the scan as well, so that a report of many files says it once."""

    code: str
    detail: str
    of_all: bool = False


@dataclass(frozen=True, kw_only=True)
class Identified:
    """`facts`: what was stated, with the patient that the file names. `patient`: the pseudonym. `exam`: columns of the scan."""

    facts: ScanFacts
    patient: str | None = None
    exam: dict[str, str | int | None] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()


def belonging(project: Project, facts: ScanFacts, told: dict[str, str | int | None]) -> Identified:
    """Whose scan it is and of which study. `told`: what a DICOM file says (`images.decoding.dicom.identity`), else nothing."""
    facts, remark = _one_patient(project, facts, told.get("patient"))
    patient = patient_of(project, facts)
    exam = exam_of(project, facts, patient, told)
    remarks = [remark, _similar(project, facts.patient, patient), _two_patients(project, exam.get("study"), patient)]
    return Identified(facts=facts, patient=patient, exam=exam, remarks=tuple(filter(None, remarks)))


def exam_of(
    project: Project, facts: ScanFacts, patient: str | None, told: dict[str, str | int | None] | None = None
) -> dict[str, str | int | None]:
    """The codes of study, series and instance, and their places: what is stated, else what the file says."""
    said = told or {}
    exam: dict[str, str | int | None] = {name: _first(getattr(facts, name), said.get(name)) for name in EXAM_FIELDS}
    within = patient or ""
    for level in LEVELS:
        if stated := getattr(facts, level):
            exam[level] = code_of(project, level, stated, within=within)
        elif exam[level]:
            exam[level] = _made(project, level, str(exam[level]))
        within = str(exam[level] or within)
    return exam


def code_of(project: Project, level: str, stated: str, *, within: str = "") -> str:
    """The code of a study, series or instance that somebody names. A code stays, a UID holds everywhere, and any other name
    (`study1`) only within what is above it."""
    if CODES[level].fullmatch(stated):
        return stated
    if _UID.fullmatch(stated) and len(stated) <= _MAX_UID:
        return _made(project, level, keyed_uid(project_secret(project), stated))
    return _made(project, level, f"{within} {stated}")


def code_of_bytes(project: Project, digest: str) -> str:
    """The code of the study that the pages or frames of one file are, where nothing else says what binds them."""
    return _made(project, "study", digest)


def contradictions(project: Project, image: Image, stated: ScanFacts) -> tuple[Remark, ...]:
    """What a file that comes again says otherwise than the scan that is here."""
    patient = patient_of(project, stated)
    same = patient is None or image.patient in (None, patient) or _lost_zeros(project, stated.patient, image.patient)
    return () if same else (Remark("patient_conflict", _WAS_HERE),)


def _first(stated: Any, told: str | int | None) -> str | int | None:
    return stated if stated is not None else (told if told != "" else None)


def _made(project: Project, level: str, value: str) -> str:
    return LEVELS[level] + ring.current().pseudonym(value, scope=f"{level} of project {project.pk}")[1:]


def _one_patient(project: Project, facts: ScanFacts, told: Any) -> tuple[ScanFacts, Remark | None]:
    """The facts with one patient: the stated one, completed or corrected by the file's."""
    stated = facts.pseudonym or facts.patient
    if not told or not stated:
        return (replace(facts, patient=str(told)) if told else facts), None
    if PSEUDONYM.fullmatch(stated):
        made = keyed(project.pk, str(told))
        is_same = stated in (told, made, standing_for(project.pk, made))
        return facts, None if is_same else Remark("patient_conflict", _OTHER_PATIENT)
    (number, issuer), (told_number, told_issuer) = _parts(stated), _parts(str(told))
    one_issuer = not issuer or not told_issuer or issuer == told_issuer
    if number == told_number and one_issuer:
        return (facts if issuer and not told_issuer else replace(facts, patient=str(told))), None
    if _plain(number) == _plain(told_number) and one_issuer:
        return replace(facts, patient=str(told)), Remark("patient_conflict", _LOST_ZEROS)
    return facts, Remark("patient_conflict", _OTHER_PATIENT)


def _parts(patient: str) -> tuple[str, str]:
    """The number and who issued it, as pseudonyms compare them."""
    number, _, issuer = unicodedata.normalize("NFC", patient).casefold().partition(ISSUED_BY)
    return number.strip(), issuer.strip()


def _plain(number: str) -> str:
    digits = _DIGITS.fullmatch(number)
    return digits[1] if digits else number


def _alike(patient: str) -> list[str]:
    """Other ways to write a number: without who issued it, and with other zeros in front."""
    number, issuer = _parts(patient)
    digits = _DIGITS.fullmatch(number)
    padded = (
        [digits[1].rjust(width, "0") for width in range(len(digits[1]), _LONGEST_NUMBER + 1)] if digits else [number]
    )
    ways = {way for one in padded for way in ({one, f"{one}{ISSUED_BY}{issuer}"} if issuer else {one})}
    return sorted(ways - {number if not issuer else f"{number}{ISSUED_BY}{issuer}"})


def _lost_zeros(project: Project, patient: str | None, pseudonym: str | None) -> bool:
    return bool(patient) and pseudonym in {keyed(project.pk, way) for way in _alike(str(patient))}


def _similar(project: Project, patient: str | None, pseudonym: str | None) -> Remark | None:
    if not patient or PSEUDONYM.fullmatch(patient):
        return None
    ways = _alike(patient)
    others = {keyed(project.pk, way) for way in ways} - {pseudonym}
    if ISSUED_BY not in patient:
        others |= set(issued([project.pk], [str(pseudonym)]))
    found = Image.objects.filter(project=project, patient__in=others, erased_at__isnull=True).exists()
    return Remark("similar_patient", _SIMILAR) if found else None


def _two_patients(project: Project, study: Any, patient: str | None) -> Remark | None:
    if not study or not patient:
        return None
    others = Image.objects.filter(project=project, study=study, erased_at__isnull=True, patient__isnull=False)
    return Remark("study_of_two_patients", _TWO_PATIENTS) if others.exclude(patient=patient).exists() else None
