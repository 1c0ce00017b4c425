"""De-identification of DICOM files by the Basic Profile of PS3.15 Annex E: what docs/privacy.md promises.

Pure and deterministic: the same file, secret and options give the same elements. Runs in the decoder child.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class DeidOptions:
    """What is kept. The first three are the options of the profile with the same names, per project.

    secret: at least 16 bytes, the project's own; new UIDs, pseudonyms and the days by which dates move come from it.
    patient_override: the pseudonym to write into the file; without it one is made from the file's PatientID.
    """

    secret: bytes = field(repr=False)
    keep_patient_characteristics: bool = True
    keep_institution: bool = True
    shift_dates: bool = True
    patient_override: str | None = None

    def __post_init__(self) -> None:
        if len(self.secret) < 16:
            raise ValueError("De-identification needs a secret of at least 16 bytes.")


@dataclass(frozen=True)
class Report:
    """What was done. `actions`: one row per element, {"tag": "(0010,0010)", "keyword": "PatientName",
    "action": "removed|replaced|shifted|emptied|kept"}, never a value; ' > ' goes down into a sequence.

    shift_days: by how many days dates were moved; None where they were removed."""

    profile: str
    actions: list[dict[str, str]]
    shift_days: int | None = None
