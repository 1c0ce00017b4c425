"""What is known about a scan besides its pixels: one row for each fact, and from it everything that lists facts.

Pure: the decoder's child reads it too. To add a fact: CONTRIBUTING.md.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, Literal

from images.decoding.ages import OLDEST_BELIEVED

FIRST_RADIOGRAPH: Final = 1895
_LAST: Final = 99
_STUDY: Final = "the study (StudyInstanceUID, or a name that holds within the patient); shown as a keyed pseudonym"
_SERIES: Final = "the series (SeriesInstanceUID, or a name that holds within the study); shown as a keyed pseudonym"
_INSTANCE: Final = "the instance (SOPInstanceUID, or a name that holds within the series); shown as a keyed pseudonym"
_AT: Final = "where the pixel spacing holds: patient, detector or film; empty where nobody says"
# Where a pixel spacing holds; empty where nobody says.
SPACING_IN_PATIENT: Final = "patient"
SPACING_AT_DETECTOR: Final = "detector"
SPACING_ON_FILM: Final = "film"
_PLACES: Final = (SPACING_IN_PATIENT, SPACING_AT_DETECTOR, SPACING_ON_FILM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is done with one fact.

    max_length: of a text; choices: all that it may be, if it is not free. low, high: of a number, `low` itself only where
    `low_allowed`. unit, digits: as pages show a number; help: as the API's document explains it. keywords: the DICOM elements
    that a text is read from, the first one that says something; several in one string are joined. line: the title over it on a
    page, where facts of one line are next to each other; shown: its place there and in the form. divides: its place among the
    subgroups of a report, 0 for none.

    of_scan: it is a column of Image, not of Metadata. of_person: read from a file only where the project keeps patient
    characteristics. identifying: people write names there, so that no export has it."""

    name: str = ""
    kind: Literal["text", "number", "moment", "patient", "pseudonym", "identifier", "ordinal"]
    max_length: int = 0
    low: float = 0.0
    high: float = 0.0
    low_allowed: bool = False
    unit: str = ""
    digits: int | None = None
    help: str = ""
    choices: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    line: str = ""
    shown: int = _LAST
    divides: int = 0
    of_scan: bool = False
    of_person: bool = False
    identifying: bool = False

    @property
    def label(self) -> str:
        """body_part -> Body part."""
        return self.name.replace("_", " ").capitalize()


def _text(max_length: int, *, keywords: tuple[str, ...], **options: Any) -> Any:
    return field(default="", metadata={"fact": Fact(kind="text", max_length=max_length, keywords=keywords, **options)})


def _number(low: float, high: float, **options: Any) -> Any:
    return field(default=None, metadata={"fact": Fact(kind="number", low=low, high=high, **options)})


def _other(kind: Literal["moment", "patient", "pseudonym", "identifier", "ordinal"], **options: Any) -> Any:
    return field(default=None, metadata={"fact": Fact(kind=kind, **options)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFacts:
    """`patient` is the raw id (or already a pseudonym of the project); `pixel_spacing` millimetres; `age` years.

    `pseudonym`: the patient as an export names it, of this project or another one; it is kept as it is. Then there is no
    `patient`. `study`, `series`, `instance`: UIDs or other names, or the pseudonyms that scans show; in a file they are read by
    `images.decoding.dicom.identity`, numbers and dates by `images.decoding.dicom.tags`."""

    modality: str = _text(40, keywords=("Modality",), of_scan=True)
    patient: str | None = _other("patient", max_length=200, keywords=("PatientID",), of_scan=True)
    pseudonym: str | None = _other("pseudonym", max_length=200, of_scan=True)
    study: str | None = _other("identifier", max_length=200, of_scan=True, help=_STUDY)
    series: str | None = _other("identifier", max_length=200, of_scan=True, help=_SERIES)
    instance: str | None = _other("identifier", max_length=200, of_scan=True, help=_INSTANCE)
    series_number: int | None = _other("ordinal", of_scan=True, help="place of the series in its study")
    instance_number: int | None = _other("ordinal", of_scan=True, help="place of the scan in its series")
    pixel_spacing: float | None = _number(0, 100, unit="mm", help="millimetres", line="Pixel spacing", shown=6)
    pixel_spacing_at: str = _text(16, choices=_PLACES, keywords=(), help=_AT, line="Pixel spacing", shown=7)
    institution: str = _text(200, keywords=("InstitutionName",), identifying=True, shown=8, divides=7)
    capture_date: datetime | None = _other("moment", help="ISO 8601", line="Taken", shown=10)  # noqa: RUF009 -- a field
    sex: str = _text(16, keywords=("PatientSex",), of_person=True, line="Person", shown=4, divides=1)
    age: float | None = _number(
        0,
        OLDEST_BELIEVED,
        low_allowed=True,
        unit="years",
        help="years",
        digits=1,
        of_person=True,
        line="Person",
        shown=5,
        divides=2,
    )
    body_part: str = _text(64, keywords=("BodyPartExamined",), line="Body part", shown=1, divides=4)
    view: str = _text(32, keywords=("ViewPosition",), line="Body part", shown=2, divides=3)
    laterality: str = _text(16, keywords=("ImageLaterality", "Laterality"), line="Body part", shown=3, divides=5)
    device: str = _text(120, keywords=("Manufacturer ManufacturerModelName",), shown=9, divides=6)


FACTS: Final[dict[str, Fact]] = {row.name: replace(row.metadata["fact"], name=row.name) for row in fields(ScanFacts)}
# Which picture of which examination a scan is.
EXAM_FIELDS: Final = tuple(fact.name for fact in FACTS.values() if fact.kind in ("identifier", "ordinal"))
# The columns of Metadata, in the order of files and answers, and in the order of pages.
METADATA: Final = tuple(fact for fact in FACTS.values() if not fact.of_scan)
METADATA_FIELDS: Final = tuple(fact.name for fact in METADATA)
ON_PAGES: Final = tuple(sorted(METADATA, key=lambda fact: fact.shown))
SUBGROUPS: Final = tuple(fact.name for fact in sorted(METADATA, key=lambda fact: fact.divides) if fact.divides)
EXPORTED: Final = tuple(fact.name for fact in METADATA if not fact.identifying)
