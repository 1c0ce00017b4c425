"""A site with very many scans: people, two projects, a block of rows and its copies, a data set, and a sealed trail. Its scans
share a few stored objects. What is made stands for nothing that was read or learned, and the model is never deployed."""

import io
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, F, Value
from django.utils import timezone

from images import phantoms
from images.models import Image, Project, Split, Tag
from images.services import ScanFacts, add_member, create_project, grant
from labeling.imports.services import upload_scan
from labeling.models import Import, ImportFile, Reference, Snapshot, SnapshotMember
from labeling.reading.said_by import noted
from mediscan_site.core import audit, numbers
from mediscan_site.core.database import insert_all, insert_selected
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import AuditEvent, AuditSeal, Blob, Unsealed, User, WorkStatus
from mediscan_site.core.services import create_user
from mediscan_site.core.totals import keeping
from mediscan_site.core.trail import macs
from mediscan_site.front.scale import block
from mediscan_site.front.scale.copying import know_keys
from models_registry.models import Evaluation, ModelVersion, ScanAnswer

BLOCK: Final = 10_000
SMALL: Final = 1_000
MOST_IN_SNAPSHOT: Final = 100_000
CLASSES: Final = ("NORMAL", "OPACITY", "EFFUSION", "PNEUMOTHORAX")
TAGS: Final = ("conference", "follow-up", "teaching", "urgent")
ADMIN: Final = "scale.admin"
DOCTORS: Final = tuple(f"scale.doctor{number}" for number in range(1, 9))
# A member of the small project alone.
GUEST: Final = "scale.guest"
RIGHTS: Final = ("upload_image", "label_image", "review_label", "grade_image")
PICTURES: Final = 4
AT_ONCE: Final = 5_000
FOLDING_S: Final = 3600.0
SEED: Final = 20_260_101
Say = Callable[[str], None]


def seed(scans: int, *, password: str | None, say: Say) -> None:
    """Fill an empty site with so many scans. Raises Conflict for a site that has projects: nobody's scans are to stand among
    made ones."""
    if Project.objects.exists():
        raise Conflict("This site has projects. Seed an empty one: give it a database and a folder of its own.")
    admin, doctors, guest = _people(password)
    small = _project(admin, [*doctors, guest], "Few scans")
    large = _project(admin, doctors, f"{scans:,} scans")
    for project, number in ((small, min(scans, SMALL)), (large, scans)):
        cast = _cast(project, admin, doctors)
        _scans(cast, number, say)
        numbers.keep(cast.batch, ImportFile.objects.all())
        members = _data_set(cast)
        say(f"{project.name}: a data set of {members:,} scans")
        keeping.fold(budget_s=FOLDING_S)
    _trail(say)


def _people(password: str | None) -> tuple[User, list[User], User]:
    admin = create_user(actor=None, username=ADMIN, password=password, role="admin")
    doctors = [create_user(actor=admin, username=name, password=password) for name in DOCTORS]
    return admin, doctors, create_user(actor=admin, username=GUEST, password=password)


def _project(admin: User, members: list[User], name: str) -> Project:
    project = create_project(actor=admin, name=name, classes=list(CLASSES), modality="X-ray")
    for user in members:
        add_member(actor=admin, project=project, user=user)
        for right in RIGHTS:
            grant(actor=admin, project=project, user=user, codename=right)
    return project


def _cast(project: Project, admin: User, doctors: list[User]) -> block.Cast:
    pictures = [_picture(project, admin, number) for number in range(PICTURES)]
    tags = [Tag.objects.create(project=project, name=name, name_key=name) for name in TAGS]
    now = timezone.now()
    done = {"status": WorkStatus.SUCCEEDED, "progress": 1.0, "started_at": now, "finished_at": now}
    batch = Import.objects.create(project=project, created_by=admin, file_name="archive.zip", **done)
    return block.Cast(
        project=project,
        classes=list(project.class_rows.all()),
        people=[admin, *doctors],
        tags=tags,
        pictures=pictures,
        model=_model(project, admin, pictures[0]),
        batch=batch,
        said_by={doctor.pk: noted(project.pk, {doctor.pk}, 0) for doctor in doctors},
    )


def _picture(project: Project, admin: User, number: int) -> Image:
    out = io.BytesIO()
    phantoms.phantom(number, 0, number % 2 == 1).resize((256, 256)).save(out, "PNG")
    out.seek(0)
    name = f"picture{number}_of_{project.pk}.png"
    image, _new = upload_scan(actor=admin, project=project, source=out, file_name=name, facts=ScanFacts())
    return image


def _model(project: Project, admin: User, picture: Image) -> ModelVersion:
    """A version that grades can name. Its bundle is no bundle: it cannot be deployed, and nothing loads it."""
    names = [row.name for row in project.class_rows.all()]
    classes = [{"id": row.pk, "name": row.name} for row in project.class_rows.all()]
    about = {"project": project, "created_by": admin, "classes": classes}
    snapshot = Snapshot.objects.create(
        **about, content_hash=f"seeded {project.pk}", grouping="patient", class_counts=dict.fromkeys(names, 0)
    )
    return ModelVersion.objects.create(
        **about,
        number=1,
        name="seeded",
        architecture="resnet18",
        snapshot=snapshot,
        bundle=Blob.objects.get(pk=str(picture.blob_id)),
        source=f"seeded-{project.pk}",
        mirrored_at=timezone.now(),
    )


def _scans(cast: block.Cast, scans: int, say: Say) -> None:
    size = min(BLOCK, scans)
    copies = math.ceil(scans / size) - 1
    start = timezone.now() - (copies + 1) * block.STEP
    with transaction.atomic():
        tables = block.written(block.made(cast, size, start=start, seed=SEED + cast.project.pk))
    images = next(table for table in tables if table.model is Image)
    for copy in range(1, copies + 1):
        with transaction.atomic():
            for table in tables:
                table.copy(copy)
            block.named(images, cast.project.pk, copy)
        say(f"{cast.project.name}: {(copy + 1) * size:,} scans")
    know_keys([table.model for table in tables if not table.model._meta.pk.is_relation])


def _data_set(cast: block.Cast) -> int:
    """The approved scans that have a side, as far as a data set of this size goes; and what the version said of its test scans."""
    snapshot = cast.model.snapshot
    rows = Reference.objects.filter(
        image__project=cast.project, image__approval_status="approved", image__split__isnull=False
    ).order_by("image")
    given = {
        "snapshot": Value(snapshot.pk),
        "image": F("image_id"),
        "label": F("label_id"),
        "label_class": F("label__label_class_id"),
        "split": F("image__split"),
        "group": F("image__patient"),
        "sha256": F("image__sha256"),
        "frames": Value([], output_field=SnapshotMember._meta.get_field("frames")),
    }
    members = insert_selected(SnapshotMember, list(given), _columns(rows, given)[:MOST_IN_SNAPSHOT])
    snapshot.class_counts = _counted(cast, snapshot)
    snapshot.save(update_fields=["class_counts"])
    _answers(cast, snapshot)
    return members


def _counted(cast: block.Cast, snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """Per class its members on each side, as a data set keeps them."""
    rows = SnapshotMember.objects.filter(snapshot=snapshot).order_by().values_list("label_class", "split")
    numbers = {(label, side): number for label, side, number in rows.annotate(number=Count("pk"))}
    return {row.name: {side: numbers.get((row.pk, side), 0) for side in Split.values} for row in cast.classes}


def _answers(cast: block.Cast, snapshot: Snapshot) -> None:
    admin, now = cast.people[0], timezone.now()
    done = {"status": WorkStatus.SUCCEEDED, "progress": 1.0, "finished_at": now, "origin": "training"}
    evaluation = Evaluation.objects.create(model=cast.model, snapshot=snapshot, requested_by=admin, **done)
    shares = [0.7, *([0.3 / (len(CLASSES) - 1)] * (len(CLASSES) - 1))]
    first = cast.classes[0]
    given = {
        "evaluation": Value(evaluation.pk),
        "image": F("image_id"),
        "truth": F("label_class_id"),
        "said": Value(first.pk),
        "right": Value(value=True),
        "confidence": Value(shares[0]),
        "shares": Value(shares, output_field=ScanAnswer._meta.get_field("shares")),
    }
    tested = SnapshotMember.objects.filter(snapshot=snapshot, split=Split.TEST).order_by("pk")
    insert_selected(ScanAnswer, list(given), _columns(tested.filter(label_class=first.pk), given))
    given |= {"right": Value(value=False)}
    insert_selected(ScanAnswer, list(given), _columns(tested.exclude(label_class=first.pk), given))


def _columns(rows: Any, given: dict[str, Any]) -> Any:
    return rows.annotate(**{f"made_{name}": value for name, value in given.items()}).values_list(
        *(f"made_{name}" for name in given)
    )


def _trail(say: Say) -> None:
    """An event for each scan, all of them sealed. Chained here and not by the sealer, which takes a few thousand at a time."""
    audit.seal_pending()
    seq, before = audit.head()
    key = block.first_key(AuditEvent)
    for number, events in enumerate(_events(key), start=1):
        seals = []
        for event in events:
            seq += 1
            seals.append(AuditSeal(seq=seq, event=event, prev_hash=before, hash=macs.digest(event, before, seq)))
            before = seals[-1].hash
        with transaction.atomic():
            insert_all(events)
            insert_all(seals)
            Unsealed.objects.filter(event__gte=events[0].pk, event__lte=events[-1].pk).delete()
        if not number % 20:
            say(f"{number * AT_ONCE:,} events")
    know_keys([AuditEvent])


def _events(key: int) -> Iterator[list[AuditEvent]]:
    people = dict(User.objects.values_list("pk", "username"))
    scans = Image.objects.exclude(file_name__startswith="picture").order_by("pk")
    wanted = scans.values_list("pk", "project", "uploaded_by", "upload_date")
    after = 0
    while page := list(wanted.filter(pk__gt=after)[:AT_ONCE]):
        after = page[-1][0]
        yield [_event(key + place, people, *row) for place, row in enumerate(page)]
        key += len(page)


def _event(key: int, people: dict[int, str], scan: int, project: int, actor: int, at: datetime) -> AuditEvent:
    event = AuditEvent(
        pk=key,
        at=at,
        actor_id=actor,
        actor_name=people[actor],
        action="scan.upload",
        object_type="image",
        object_id=str(scan),
        project=project,
    )
    event.mac = macs.mac(event)
    return event
