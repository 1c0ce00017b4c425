"""A file of many frames or pages as many scans of one patient."""

import hashlib
from dataclasses import replace
from pathlib import PurePosixPath

from images.models import Project
from images.services import incoming
from images.services.exams import code_of_bytes
from labeling.imports.stream import Parcel


def of_one_patient(project: Project, whole: Parcel) -> Parcel:
    """The file with the patient and the study of all its frames: what is stated, else what a DICOM file names. Where nothing
    is known, the file is a study of its own. So its frames never end up on two sides of a data set."""
    found = incoming.identify(project, whole.data, whole.facts)
    facts = found.facts
    if found.patient is None and not found.exam.get("study"):
        facts = replace(facts, study=code_of_bytes(project, hashlib.sha256(whole.data).hexdigest()))
    return replace(whole, facts=facts)


def frame(whole: Parcel, number: int, data: bytes) -> Parcel:
    """Frame `number` (from 1) of the file, whose name, external id and line in the report say which one it is."""
    name = PurePosixPath(whole.file_name)
    return replace(
        whole,
        data=data,
        file_name=f"{name.stem}#{number}{name.suffix}",
        external_id=f"{whole.external_id}#{number}" if whole.external_id else None,
        frame=number,
        tag=f"{whole.tag}#{number}",
    )
