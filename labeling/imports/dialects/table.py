"""What the columns of each data set's labels files say. Pure; columns are compared in lower case."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from images.scan_facts import FACTS
from labeling.imports.splits import split_of

# All that may be known of a scan. `pseudonym`: the patient as one of our exports names it; `patient` would be given a pseudonym
# of its own.
COLUMNS: Final = ("label", "split", "external_id", *FACTS)


@dataclass(frozen=True)
class Dialect:
    """needs: sets of columns, each of which marks a file of this data set. image: the column that names the picture, the first
    that is there. labels: columns that may be the label; the project's classes decide which one. columns: what others mean; of
    several that mean the same, the first that is filled counts.

    marks: columns with 1, 0, -1 or nothing, each a class: those named, or `classes`: all that are classes of the project.
    several: how one cell lists several labels. study: (column, prefix) of the folder whose pictures a row is about.
    top_folder: the first folder of the picture's path is as good as the path. from_path: facts in the picture's path."""

    name: str
    title: str
    needs: Sequence[frozenset[str]]
    image: Sequence[str] = ()
    labels: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    marks: Sequence[str] | Literal["classes"] = ()
    several: Literal["", "bars", "list"] = ""
    study: tuple[str, str] | None = None
    top_folder: bool = False
    from_path: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def fits(self, header: frozenset[str]) -> bool:
        return any(needed <= header for needed in self.needs)


def path_facts(dialect: Dialect, path: str) -> dict[str, str]:
    """What the picture's path says by the dialect's patterns."""
    found = {name: match[1] for name, pattern in dialect.from_path.items() if (match := pattern.search(path))}
    if "split" in found:
        found["split"] = split_of(found["split"]) or ""
    return found


def _needs(*columns: str) -> frozenset[str]:
    return frozenset(columns)


# What people call the column that names the picture, besides image_id.
IMAGE_COLUMNS: Final = (
    "image", "image_name", "image_path", "img", "file", "file_name", "filename", "file_path", "filepath", "path",
)  # fmt: skip
_OURS: Final = {name: name for name in COLUMNS if name != "label"}
PLAIN: Final = Dialect(
    "plain",
    "image_id, label and optional columns",
    [_needs("image_id", "label"), *(_needs(name, "label") for name in IMAGE_COLUMNS)],
    ["image_id", *IMAGE_COLUMNS],
    ["label"],
    _OURS,
)
# Recognised by the project's classes, so it has no columns of its own.
ONE_HOT: Final = Dialect(
    "one-hot", "a column for each class of the project", [], PLAIN.image, columns=_OURS, marks="classes"
)

DIALECTS: Final = (
    PLAIN,
    ONE_HOT,
    Dialect(
        "ham10000",
        "HAM10000 (skin)",
        [_needs("lesion_id", "image_id", "dx")],
        ["image_id"],
        ["dx"],
        {"lesion_id": "patient", "age": "age", "sex": "sex", "localization": "body_part"},
    ),
    Dialect(
        "isic",
        "ISIC challenges (skin)",
        [
            _needs("image", "mel", "nv", "bcc"),
            _needs("image", "age_approx"),
            _needs("image", "lesion_id"),
            _needs("image_name", "benign_malignant"),
            _needs("isic_id", "age_approx"),
        ],
        ["image", "image_name", "isic_id"],
        ["benign_malignant", "target", "diagnosis", "diagnosis_1"],
        {
            "patient_id": "patient",
            "lesion_id": "patient",
            "age_approx": "age",
            "sex": "sex",
            "anatom_site_general": "body_part",
            "anatom_site_general_challenge": "body_part",
        },
        marks=["mel", "nv", "bcc", "akiec", "ak", "bkl", "df", "vasc", "scc", "unk"],
    ),
    Dialect(
        "nih",
        "NIH ChestX-ray14",
        [_needs("image index", "finding labels")],
        ["image index"],
        ["finding labels"],
        {
            "patient id": "patient",
            "patient age": "age",
            "patient gender": "sex",
            "patient sex": "sex",
            "view position": "view",
        },
        several="bars",
    ),
    Dialect(
        "chexpert",
        "CheXpert",
        [_needs("path", "no finding", "frontal/lateral")],
        ["path"],
        columns={"sex": "sex", "age": "age", "ap/pa": "view"},
        marks="classes",
        from_path={
            "patient": re.compile(r"\b(patient\d+)/"),
            "study": re.compile(r"\bpatient\d+/(study\d+)/"),
            "split": re.compile(r"(?:^|/)(train|valid|test)/"),
        },
    ),
    Dialect(
        "mimic-cxr",
        "MIMIC-CXR-JPG",
        [
            _needs("subject_id", "study_id", "no finding"),
            _needs("dicom_id", "study_id", "split"),
            _needs("dicom_id", "study_id", "viewposition"),
        ],
        ["dicom_id"],
        columns={"subject_id": "patient", "study_id": "study", "split": "split", "viewposition": "view"},
        marks="classes",
        study=("study_id", "s"),
    ),
    Dialect(
        "rsna-pneumonia",
        "RSNA Pneumonia Detection Challenge",
        [_needs("patientid", "target"), _needs("patientid", "class")],
        ["patientid"],
        ["target", "class"],
        {"patientid": "patient"},
    ),
    Dialect("aptos", "APTOS 2019 Blindness Detection", [_needs("id_code", "diagnosis")], ["id_code"], ["diagnosis"]),
    Dialect("eyepacs", "Diabetic Retinopathy Detection (EyePACS)", [_needs("image", "level")], ["image"], ["level"]),
    Dialect(
        "vindr-mammo",
        "VinDr-Mammo",
        [_needs("image_id", "breast_birads", "breast_density")],
        ["image_id"],
        ["breast_birads", "breast_density"],
        {
            "study_id": "study",
            "series_id": "series",
            "split": "split",
            "laterality": "laterality",
            "view_position": "view",
        },
    ),
    Dialect(
        "vindr-cxr",
        "VinDr-CXR",
        [_needs("image_id", "rad_id", "class_name"), _needs("image_id", "rad_id", "no finding")],
        ["image_id"],
        ["class_name"],
        marks="classes",
    ),
    Dialect(
        "cbis-ddsm",
        "CBIS-DDSM",
        [_needs("patient_id", "pathology", "image file path")],
        ["image file path"],
        ["pathology"],
        {"patient_id": "patient", "left or right breast": "laterality", "image view": "view"},
        top_folder=True,
        from_path={"split": re.compile(r"(?:Mass|Calc)-(Training|Test)_")},
    ),
    Dialect(
        "padchest",
        "PadChest",
        [_needs("imageid", "labels", "patientid")],
        ["imageid"],
        ["labels"],
        {"patientid": "patient", "studyid": "study", "projection": "view", "patientsex_dicom": "sex"},
        several="list",
    ),
)

# Files that list the pictures of one side, one in each line.
LISTS: Final = {
    "train_val_list.txt": "train", "train_list.txt": "train", "val_list.txt": "val", "test_list.txt": "test",
}  # fmt: skip
LISTED: Final = Dialect("nih", "lists of sides", [], ["image_id"], columns={"split": "split"})
