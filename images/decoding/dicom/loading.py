"""One DICOM file: its picture, what it says about its scan, and the de-identified file that is kept."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image
from pydicom import Dataset, FileDataset, dcmwrite

from images.decoding import icc
from images.decoding.deid.options import DeidOptions
from images.decoding.deid.sweep import deidentify
from images.decoding.dicom import elements, pixels, reading, shape
from images.decoding.dicom.identity import Identity, identity
from images.decoding.dicom.tags import tags
from images.decoding.dicom.told import for_viewer
from images.decoding.facts import Facts
from images.decoding.job import Job
from images.decoding.shaping import plain, shrunk

BURNED_IN: Final = "burned_in_annotation"


@dataclass
class Kept:
    """What a DICOM file gives besides its picture; empty for every other format."""

    tags: dict[str, str | float | None] = field(default_factory=dict)
    actions: list[dict[str, str]] = field(default_factory=list)
    profile: str = ""
    hold: str = ""
    shift_days: int | None = None
    stored: bytes = b""

    def facts(self) -> dict[str, Any]:
        """The part that goes into the header of the answer."""
        return {
            "tags": self.tags,
            "actions": self.actions,
            "profile": self.profile,
            "hold": self.hold,
            "shift_days": self.shift_days,
        }


def told(data: bytes, job: Job) -> Identity:
    """Whose picture a file says it is, and which one; the pixels are left alone. Raises Undecodable."""
    dataset, _ = reading.read(data, job.max_bytes, job.max_pixels)
    return identity(dataset, None if job.deid is None else _options(job.deid).secret)


def load(data: bytes, job: Job) -> tuple[Image.Image, Facts, Kept]:
    """The picture, 8-bit grey or RGB, with square pixels, as large as `shrunk` leaves it. Raises Undecodable."""
    dataset, facts = reading.read(data, job.max_bytes, job.max_pixels, job.frame)
    facts.wanted(job)
    flat = pixels.settings(dataset, facts.shown)
    picture = plain(shrunk(pixels.picture(dataset, flat, facts), facts), facts)
    picture = icc.to_srgb(picture, colours(dataset), facts.notes)
    picture = shape.squared(picture, dataset, flat, facts.notes)
    if job.pixels:
        facts.told = for_viewer(dataset, flat)
    if job.deid is None:
        return picture, facts, Kept()
    kept = Kept(tags(dataset, flat, facts.notes), hold=_hold(dataset))
    report = deidentify(dataset, _options(job.deid))
    kept.profile, kept.actions, kept.shift_days = report.profile, report.actions, report.shift_days
    kept.stored = _written(dataset)
    return picture, facts, kept


def colours(dataset: Dataset) -> bytes:
    """The colour profile as it is kept, so that the scan has the same colours whenever it is shown (PS3.3 C.11.15, C.8.12.5)."""
    for source in (dataset, *elements.items(dataset, "OpticalPathSequence")[:1]):
        if profile := elements.binary(source, "ICCProfile"):
            return icc.numbers_of(profile) or icc.NONE
    return b""


def _options(given: Mapping[str, Any]) -> DeidOptions:
    return DeidOptions(**{**given, "secret": bytes.fromhex(given["secret"])})


def _hold(dataset: FileDataset) -> str:
    """Of a whole slide the label often has the patient's name, whatever the file says of its annotations."""
    said = (str(dataset.get(keyword, "")).strip().upper() for keyword in ("BurnedInAnnotation", "SpecimenLabelInImage"))
    return BURNED_IN if "YES" in said else ""


def _written(dataset: FileDataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
