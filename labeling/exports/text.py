"""The text files next to the pictures of an export: labels.csv, the history of the labels, what it is and is not."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.utils import timezone

from images.models import RESEARCH_USE, Image, Metadata, Project, ProjectClass
from images.scan_facts import EXAM_FIELDS, EXPORTED
from labeling.models import Label, Review, Snapshot, SnapshotLeftOut
from labeling.policies import visible_labels, visible_reviews
from mediscan_site.core.http.csv import quoted
from mediscan_site.core.models import User

# What is treated as identifying is left out. `pseudonym` says that `patient` is one already.
HEADER: Final = (
    "image_id", "label", "split", "external_id", "pseudonym", "patient", *EXAM_FIELDS, "modality", *EXPORTED, "approval_status",
)  # fmt: skip
HISTORY: Final = (
    "image_id", "date", "what", "reader", "round", "source", "label", "decision", "new_label", "confidence_score",
    "taken_back",
)  # fmt: skip
UNGRADABLE: Final = "ungradable"
MODEL: Final = "the model"
TAKEN_BACK: Final = {True: "yes", False: ""}
CHUNK: Final = 200


def labels_row(image: Image, *, path: str, label: str, split: str) -> list[Any]:
    """The line of one scan, in the order of HEADER."""
    metadata = getattr(image, "metadata", None) or Metadata(image=image)
    own = {
        "image_id": path,
        "label": label,
        "split": split,
        "external_id": image.external_id,
        "pseudonym": image.patient,
        "patient": image.patient,
        **{name: getattr(image, name) for name in EXAM_FIELDS},
        "modality": image.modality,
        "approval_status": image.approval_status,
    }
    return [cell(own[name] if name in own else getattr(metadata, name)) for name in HEADER]


def cell(value: Any) -> Any:
    """Empty for nothing; a quote in front of what a spreadsheet would run (the import removes it again)."""
    if value is None:
        return ""
    return quoted(value.isoformat() if hasattr(value, "isoformat") else value)


def history(paths: Mapping[int, str], reader: User | None = None) -> bytes:
    """Who said what about which scan and when, oldest first per scan. Free text is left out. `paths`: scan to its path. `reader`:
    only what this one may see."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HISTORY)
    keys = sorted(paths)
    for start in range(0, len(keys), CHUNK):
        events = sorted(_events(keys[start : start + CHUNK], reader), key=lambda event: event[:3])
        writer.writerows([cell(paths[image]), *map(cell, line)] for image, _, _, line in events)
    return text.getvalue().encode()


def _events(images: Sequence[int], seen_by: User | None) -> Iterator[tuple[int, Any, int, tuple[Any, ...]]]:
    """Scan, time, order within it, and the cells of the line after the scan."""
    labels = Label.objects.all() if seen_by is None else visible_labels(seen_by)
    for label in labels.filter(image__in=images).select_related("label_class", "reader"):
        reader = label.reader.username if label.reader else MODEL
        said = (label.round, label.source, _said(label.label_class), "", "", label.confidence_score)
        about = (reader, *said, TAKEN_BACK[label.taken_back])
        yield label.image_id, label.annotation_date, 0, (label.annotation_date, "label", *about)
    reviews = Review.objects.all() if seen_by is None else visible_reviews(seen_by)
    for review in reviews.filter(image__in=images).select_related(
        "label__label_class", "new_label__label_class", "reviewer", "decision__undone"
    ):
        new = _said(review.new_label.label_class) if review.new_label else ""
        decision = (review.reviewer.username, "", "", _said(review.label.label_class), review.status, new, None)
        decided = (review.created_at, "review", *decision, TAKEN_BACK[review.is_taken_back])
        yield review.image_id, review.created_at, 1, decided


def _said(label_class: ProjectClass | None) -> str:
    return label_class.name if label_class else UNGRADABLE


def facts(project: Project, snapshot: Snapshot | None, *, scans: int, remade: Sequence[str]) -> dict[str, Any]:
    """What the ZIP is, for programs."""
    classes = ProjectClass.objects.filter(project=project).order_by("position").values_list("name", flat=True)
    return {
        "format": "mediscan-export",
        "format_version": 1,
        "made": timezone.now().isoformat(timespec="seconds"),
        "project": project.name,
        "classes": [entry["name"] for entry in snapshot.classes] if snapshot else list(classes),
        "dataset": snapshot.code if snapshot else None,
        "content_hash": snapshot.content_hash if snapshot else None,
        "frozen": snapshot.created_at.isoformat() if snapshot else None,
        "grouping": snapshot.grouping if snapshot else None,
        "scans": scans,
        "remade": list(remade),
        "intended_use": project.intended_use,
        "limitations": project.limitations,
    }


def notice(about: Mapping[str, Any], snapshot: Snapshot | None) -> str:
    """What the ZIP is, for people."""
    return (
        f"{_origin(about, snapshot)}"
        f"Scans: {about['scans']}\n\n"
        f"{RESEARCH_USE}\n"
        f"Intended use: {about['intended_use']}\n"
        f"Limitations: {about['limitations']}\n\n"
        "The files hold the pixels of the scans and nothing else of the files that came in: no EXIF, no text, no colour\n"
        "profile. DICOM files are de-identified. Patients are keyed pseudonyms. Scans that are held back because they may\n"
        "show who the patient is are left out.\n"
        f"{_remade(about['remade'])}\n"
        "labels.csv: one line per scan. labels_history.csv: every reading and review, without comments; what its reader\n"
        "has undone says yes in the column taken_back, and counts for nothing.\n"
        "This ZIP can be imported as it is into a project with the same classes: it gives the same scans, labels, splits\n"
        "and pseudonyms. The labels wait for a review there, by somebody other than the importer (four eyes); scans that\n"
        "were marked as ungradable come without a label.\n"
    )


def _origin(about: Mapping[str, Any], snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return f"Scans of the project {about['project']}, as they were {about['made']}\n"
    reasons: dict[str, int] = {}
    for reason in SnapshotLeftOut.objects.filter(snapshot=snapshot).values_list("reason", flat=True):
        reasons[reason] = reasons.get(reason, 0) + 1
    left_out = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items())) or "none"
    return (
        f"Data set {snapshot.code} of the project {about['project']}\n"
        f"Content hash: {about['content_hash']}\n"
        f"Frozen: {about['frozen']}\n"
        f"Grouping of the split: {about['grouping']}\n"
        f"Left out: {left_out}\n"
    )


def _remade(codes: Sequence[str]) -> str:
    if not codes:
        return ""
    shown = ", ".join(codes[:20]) + (", ..." if len(codes) > 20 else "")
    return (
        f"{len(codes)} of them could not be taken out of their files as they are (turned by EXIF, or an outdated TIFF) and\n"
        f"are given as 8-bit PNG, longest side at most 2,048 pixels: {shown}\n"
    )
