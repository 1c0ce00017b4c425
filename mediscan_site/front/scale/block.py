"""The first rows of every table, made one by one: what all others are copies of. A tenth of a per cent is rare on purpose: filters
that find little are the ones that read much."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, Value

from images.models import (
    ApprovalStatus,
    Hold,
    Image,
    ImageTag,
    LabelStatus,
    Metadata,
    NamePart,
    Project,
    ProjectClass,
    Rendition,
    Tag,
)
from images.naming_index import index_names, parts_of
from labeling.models import Import, ImportFile, Label, LabelDoubt, QueueScore, Reference, Review
from mediscan_site.core.database import insert_all, insert_selected
from mediscan_site.core.models import User, WorkStatus
from mediscan_site.front.scale.copying import (
    LETTERS,
    Table,
    another_code,
    another_digest,
    know_keys,
    later,
    numbered,
)
from models_registry.models import Feedback, Grade, ModelVersion, Referral

# How much later each copy is than the one before: a million scans in blocks of ten thousand are three years.
STEP: Final = timedelta(days=11)
EXTENSION: Final = ".png"
VIEWS: Final = ("PA", "AP", "LL")
PLACES: Final = ("chest", "thorax", "lung_follow_up", "emergency", "ward")
RARE: Final = 0.001
CODE_LETTERS: Final = 16


@dataclass(frozen=True)
class Cast:
    """Who and what the rows are about."""

    project: Project
    classes: Sequence[ProjectClass]
    people: Sequence[User]
    tags: Sequence[Tag]
    pictures: Sequence[Image]
    model: ModelVersion
    batch: Import
    # What a scan keeps of this person having labelled it (`labeling.reading.said_by`).
    said_by: Mapping[int, str]


@dataclass
class Rows:
    """The rows of a block by model, in the order in which they can be written."""

    by_model: dict[type[models.Model], list[Any]] = field(default_factory=dict)
    keys: dict[type[models.Model], int] = field(default_factory=dict)

    def add(self, row: models.Model, *, own_key: bool = True) -> Any:
        kind = type(row)
        if own_key:
            row.pk = self.keys[kind] = self.keys.get(kind) or first_key(kind)
            self.keys[kind] += 1
        self.by_model.setdefault(kind, []).append(row)
        return row


def first_key(model: type[models.Model]) -> int:
    last = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return int(last or 0) + 1


def made(cast: Cast, scans: int, *, start: datetime, seed: int) -> Rows:
    """So many scans with all that hangs on them, over one STEP from `start`. The same seed makes the same rows, but for keys."""
    rows, chance = Rows(), random.Random(seed)  # noqa: S311 -- no secret
    for number in range(scans):
        _scan(cast, rows, chance, number, start + number * STEP / scans)
    return rows


def _code(chance: random.Random, start: str) -> str:
    return start + "".join(chance.choices(LETTERS, k=CODE_LETTERS))


def _scan(cast: Cast, rows: Rows, chance: random.Random, number: int, at: Any) -> None:
    image = rows.add(_image(cast, rows, chance, number, at))
    rows.add(
        Metadata(
            image=image,
            pixel_spacing=0.14,
            sex=chance.choice("MF"),
            age=float(chance.randrange(18, 95)),
            body_part="CHEST",
            view=chance.choice(VIEWS),
            device=f"device {chance.randrange(5)}",
        )
    )
    picture = cast.pictures[number % len(cast.pictures)]
    for shown in picture.renditions.all():
        rows.add(Rendition(image=image, kind=shown.kind, frame=shown.frame, blob_id=shown.blob_id))
    path = f"archive/{image.file_name}"
    digest = hashlib.sha256(path.encode()).hexdigest()
    rows.add(ImportFile(batch=cast.batch, path=path, path_digest=digest, outcome="created", image=image))
    if chance.random() < 10 * RARE:
        rows.add(ImageTag(image=image, tag=chance.choice(cast.tags), tagged_by=cast.people[0], tagged_at=at))
    if image.label_status == LabelStatus.LABELED:
        _labels(cast, rows, chance, image, at)
    else:
        rows.add(QueueScore(image=image, score=chance.random()), own_key=False)
    if chance.random() < 0.3:
        _grade(cast, rows, chance, image, at)


def _image(cast: Cast, rows: Rows, chance: random.Random, number: int, at: Any) -> Image:
    picture = cast.pictures[number % len(cast.pictures)]
    same = ("blob_id", "image_format", "width", "height", "size", "bits", "sha256")
    # Two scans of a study, two studies of a patient.
    before = rows.by_model.get(Image, [])
    patient = before[-1].patient if number % 4 else _code(chance, "P")
    study = before[-1].study if number % 2 else _code(chance, "ST")
    image = Image(
        project=cast.project,
        file_name=f"{chance.choice(PLACES)}_{number:05d}{EXTENSION}",
        uploaded_by=cast.people[number % 3],
        upload_date=at,
        updated_at=at + timedelta(hours=1),
        compared_at=at,
        modality="CR" if chance.random() < RARE else "DX",
        split=chance.choices(("train", "val", "test", None), (70, 10, 10, 10))[0],
        patient=patient,
        study=study,
        series=_code(chance, "SE"),
        instance=_code(chance, "IN"),
        instance_number=number % 2 + 1,
        external_id=f"EXT{number:06d}{EXTENSION}" if number % 2 else None,
        received_sha256=f"{chance.getrandbits(256):064x}",
        phash=f"{chance.getrandbits(256):064x}",
        hold=Hold.TEXT if chance.random() < RARE else "",
        **{name: getattr(picture, name) for name in same},
    )
    _state(cast, chance, image)
    return image


def _state(cast: Cast, chance: random.Random, image: Image) -> None:
    state = chance.choices(("unlabeled", "pending", "approved", "modified", "rejected"), (25, 15, 57, 2, 1))[0]
    if state == "unlabeled":
        return
    image.label_status, image.approval_status = LabelStatus.LABELED, ApprovalStatus(state)
    weights = [*(100 for _ in cast.classes[:-1]), 100 * RARE * len(cast.classes)]
    image.label_class = chance.choices(cast.classes, weights)[0]
    image.annotator = chance.choice(cast.people[1:])
    image.version = 2 if state == "pending" else 3
    if state != "rejected":
        image.said_by = cast.said_by[image.annotator.pk]


def _labels(cast: Cast, rows: Rows, chance: random.Random, image: Image, at: Any) -> None:
    given = {"image": image, "label_class": image.label_class, "source": Label.Source.DOCTOR, "round": 1}
    other = next(person for person in cast.people[1:] if person != image.annotator)
    # Who modifies a label is the reader of the one that stands.
    modified = image.approval_status == ApprovalStatus.MODIFIED
    reader, reviewer = (other, image.annotator) if modified else (image.annotator, other)
    label = rows.add(Label(**given, reader=reader, annotation_date=at + timedelta(minutes=20), seconds=9))
    current = label
    if image.approval_status != ApprovalStatus.PENDING:
        status = {"modified": "modified", "rejected": "rejected"}.get(image.approval_status, "approved")
        if modified:
            current = rows.add(Label(**given, reader=reviewer, annotation_date=at + timedelta(minutes=40)))
        rows.add(
            Review(
                image=image,
                label=label,
                status=status,
                new_label=current if status == "modified" else None,
                reviewer=reviewer,
                scan_version=2,
                created_at=at + timedelta(minutes=40),
            )
        )
    rows.add(Reference(image=image, label=current), own_key=False)
    if image.approval_status == ApprovalStatus.APPROVED and chance.random() < RARE:
        unlike = next(row for row in cast.classes if row != image.label_class)
        sure = {"given_probability": 0.1, "suggested_probability": chance.uniform(0.6, 0.99)}
        about = {"given": image.label_class, "suggested": unlike, "source": "seeded", "created_at": at}
        rows.add(LabelDoubt(image=image, **about, **sure), own_key=False)


def _grade(cast: Cast, rows: Rows, chance: random.Random, image: Image, at: Any) -> None:
    said, sure = chance.choice(cast.classes), chance.uniform(0.5, 1.0)
    refers = chance.random() < 0.1
    others = (1 - sure) / (len(cast.classes) - 1)
    done = at + timedelta(minutes=1)
    grade = rows.add(
        Grade(
            project=cast.project,
            image=image,
            model=cast.model,
            requested_by=cast.people[0],
            created_at=at,
            queued_at=at,
            started_at=at,
            finished_at=done,
            status=WorkStatus.SUCCEEDED,
            progress=1.0,
            attempt=1,
            prediction=said,
            confidence=sure,
            probabilities={str(row.pk): sure if row == said else others for row in cast.classes},
            decision="refer" if refers else "answer",
            reasons=["below_threshold"] if refers else [],
            latency_ms=chance.uniform(20, 60),
            distance=chance.random(),
        )
    )
    if chance.random() < 0.1:
        wrong = chance.random() < 0.1
        rows.add(Feedback(grade=grade, project=cast.project, author=cast.people[1], correct=not wrong, created_at=done))
    if refers:
        waits = chance.random() < 0.1
        ended = {} if waits else {"active": None, "closed_at": done, "outcome": "decided"}
        rows.add(Referral(project=cast.project, image=image, grade=grade, opened_at=done, **ended))


def written(rows: Rows) -> list[Table]:
    """Write the block, and say how each of its tables is copied."""
    for model, made_rows in rows.by_model.items():
        insert_all(made_rows)
        if model in rows.keys:
            know_keys([model])
    index_names(rows.by_model[Image])
    return [_table(rows, model) for model in rows.by_model]


def named(images: Table, project: int, copy: int) -> None:
    """Have the names of one copy be found by their parts: those of the block, and those of the copy's number."""
    shift = copy * images.size
    mine = Q(scan__gte=images.first, scan__lt=images.first + images.size)
    parts = NamePart.objects.filter(mine, project=project).annotate(made=F("scan") + Value(shift))
    insert_selected(NamePart, ("project", "code", "scan"), parts.values_list("project", "code", "made"))
    start = images.first + shift
    scans = Image.objects.filter(pk__gte=start, pk__lt=start + images.size)
    for code in parts_of(f"{copy:05d}") - parts_of("00000"):
        coded = scans.annotate(made=Value(code, output_field=BigIntegerField()))
        absent = coded.exclude(Exists(NamePart.objects.filter(project=project, code=code, scan=OuterRef("pk"))))
        insert_selected(NamePart, ("project", "code", "scan"), absent.values_list("project", "made", "pk"))


# What is different in each copy, and what stands for another row of the block.
_CHANGED: Final[dict[type[models.Model], dict[str, Any]]] = {
    Image: {
        "file_name": numbered("file_name", EXTENSION),
        "external_id": numbered("external_id", EXTENSION),
        "received_sha256": another_digest("received_sha256"),
        "phash": another_digest("phash"),
        "patient": another_code("patient", 1),
        "study": another_code("study", 2),
        "series": another_code("series", 2),
        "instance": another_code("instance", 2),
        **{name: later(name, STEP) for name in ("upload_date", "updated_at", "compared_at")},
    },
    ImportFile: {"path": numbered("path", EXTENSION), "path_digest": another_digest("path_digest")},
    ImageTag: {"tagged_at": later("tagged_at", STEP)},
    Label: {"annotation_date": later("annotation_date", STEP)},
    Review: {"created_at": later("created_at", STEP)},
    LabelDoubt: {"created_at": later("created_at", STEP)},
    Grade: {name: later(name, STEP) for name in ("created_at", "queued_at", "started_at", "finished_at")},
    Feedback: {"created_at": later("created_at", STEP)},
    Referral: {name: later(name, STEP) for name in ("opened_at", "closed_at")},
}


def _table(rows: Rows, model: type[models.Model]) -> Table:
    size = {kind: len(kept) for kind, kept in rows.by_model.items()}
    shifts = {}
    for item in model._meta.concrete_fields:
        if item.primary_key and not item.is_relation:
            shifts[item.name] = size[model]
        elif item.is_relation and item.related_model in rows.by_model:
            shifts[item.name] = size[item.related_model]
    first = min(row.pk for row in rows.by_model[model])
    # Rows that have their scan's key: the block is that of the scans.
    span = size[Image] if model._meta.pk.is_relation else size[model]
    start = min(row.pk for row in rows.by_model[Image]) if model._meta.pk.is_relation else first
    return Table(model, start, span, shifts, _CHANGED.get(model, {}))
