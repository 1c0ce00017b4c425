"""A file of many frames or pages as many scans of one patient."""

import hashlib
from dataclasses import replace
from pathlib import PurePosixPath

from images.facts import keyed
from images.models import Project
from images.services import incoming
from labeling.imports.stream import Parcel


def of_one_patient(project: Project, whole: Parcel) -> Parcel:
    """The file with the patient of all its frames: the one that is stated, else the one that a DICOM file names, else a
    pseudonym of the file's own. So its frames never end up on two sides of a data set."""
    facts, patient = incoming.identify(project, whole.data, whole.facts)
    if patient is None:
        facts = replace(facts, pseudonym=keyed(project.pk, hashlib.sha256(whole.data).hexdigest()))
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
