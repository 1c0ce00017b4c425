"""One of everything, made once for all cells of the permission matrix."""

import io
import zipfile
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils import timezone

from images.models import Deidentification, GuideExample
from images.services import ScanFacts, create_project, save_filter, tag_scans
from labeling.imports.previews import hold_zip
from labeling.imports.services import upload_scan
from labeling.imports.uploads import start_upload
from labeling.models import Export, Grouping, Import, LabelDoubt, Review, Snapshot, SnapshotMember
from mediscan_site.core.messages.services import tell
from mediscan_site.core.models import Blob, Message, WorkStatus
from mediscan_site.core.services import issue_service_token
from models_registry.models import (
    AcceptanceTest,
    Alarm,
    BlindRead,
    Deployment,
    Evaluation,
    Feedback,
    Grade,
    GradeBatch,
    GradeBatchItem,
    ModelVersion,
    Referral,
    ScanAnswer,
    Watch,
)
from tests.conftest import CLASSES, make_user, member, scan_bytes
from training.models import TrainingRun

PERSONAS = ("admin", "author", "colleague", "outsider", "anonymous", "inactive")


@dataclass
class World:
    """`people` by persona (None: anonymous), `ids` for the $names of the matrix, and `sessions` of those who are signed in."""

    people: dict
    ids: dict = field(default_factory=dict)
    sessions: dict = field(default_factory=dict)


def build() -> World:
    admin = make_user("admin", role="admin")
    project = create_project(actor=admin, name="Chest X-ray", classes=CLASSES, modality="X-ray")
    author, colleague = member(project, admin, "author"), member(project, admin, "colleague")
    people = {
        "admin": admin,
        "author": author,
        "colleague": colleague,
        "outsider": make_user("outsider"),
        "anonymous": None,
        "inactive": make_user("inactive", is_active=False),
    }
    world = World(people)
    world.ids.update(project=project.pk, project_class=project.class_rows.first().pk)
    world.ids.update({name: user.pk for name, user in people.items() if user})
    _scans(world, project, author)
    _models(world, project, admin)
    token, _ = issue_service_token(actor=author, user=author, name="bridge")
    tell([author], "run_ended", key="run:1", url="/", facts={"code": "training001", "project": project.name})
    world.ids.update(token=token.pk, message=Message.objects.get(user=author).pk)
    return world


def _scan(project, actor, seed: int, label: str | None, patient: str | None = None):
    image, _ = upload_scan(
        actor=actor,
        project=project,
        source=io.BytesIO(scan_bytes(seed)),
        file_name=f"scan{seed}.jpg",
        facts=ScanFacts(patient=patient),
        label_class=project.class_rows.get(name=label) if label else None,
    )
    return image


def _scans(world: World, project, author) -> None:
    labelled, bare = _scan(project, author, 1, CLASSES[0], "4711"), _scan(project, author, 2, None)
    example = GuideExample.objects.create(
        project=project, image=bare, label_class=project.class_rows.first(), added_by=author
    )
    world.ids.update(example=example.pk)
    Deidentification.objects.create(image=labelled, profile="none")
    batch = Import.objects.create(
        project=project, created_by=author, file_name="many.zip", status=WorkStatus.SUCCEEDED, total=0
    )
    tag_scans(actor=author, images=[bare], add=["discuss"])
    saved = save_filter(actor=author, page="scans", project=project, name="mine", query={"split": "test"})
    upload = start_upload(actor=author, project=project, file_name="many.zip", size=100)
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("NORMAL/a.jpg", scan_bytes(78))
    held = hold_zip(actor=author, project=project, source=packed, file_name="held.zip")
    snapshot = Snapshot.objects.create(
        project=project,
        content_hash="0" * 64,
        grouping=Grouping.NONE,
        classes=[{"id": row.pk, "name": row.name} for row in project.class_rows.all()],
        class_counts={},
        created_by=author,
    )
    label = labelled.labels.get()
    SnapshotMember.objects.create(
        snapshot=snapshot,
        image=labelled,
        label=label,
        label_class=label.label_class,
        split="test",
        group="g",
        sha256=labelled.sha256,
    )
    export = Export.objects.create(project=project, snapshot=snapshot, created_by=author)
    other = project.class_rows.get(name=CLASSES[1])
    classes = {"given": label.label_class, "suggested": other}
    LabelDoubt.objects.create(
        image=labelled, given_probability=0.1, suggested_probability=0.9, source="test", **classes
    )
    review = Review.objects.create(image=labelled, label=label, status="rejected", reviewer=author, scan_version=99)
    labelled.refresh_from_db()
    world.ids.update(
        scan=labelled.pk,
        pseudonym=labelled.patient,
        scan_version=labelled.version,
        bare=bare.pk,
        label=label.pk,
        review=review.pk,
        batch=batch.pk,
        upload=upload.pk,
        held=held.pk,
        dataset=snapshot.pk,
        export=export.pk,
        tag=project.tags.get().pk,
        saved_filter=saved.pk,
    )


def _models(world: World, project, admin) -> None:
    blob = Blob.objects.create(
        path="none", content_type="x", size=0, sha256="0" * 64, stored_size=0, stored_sha256="0" * 64, key_id="k"
    )
    model = ModelVersion.objects.create(
        project=project,
        number=1,
        name="chest",
        architecture="resnet18",
        snapshot_id=world.ids["dataset"],
        bundle=blob,
        bundle_sha256="0" * 64,
        bundle_signature="x",
        source="test",
        classes=[{"id": row.pk, "name": row.name} for row in project.class_rows.all()],
        created_by=admin,
    )
    common = {"model": model, "status": WorkStatus.FAILED, "requested_by": admin}
    evaluation = Evaluation.objects.create(snapshot=model.snapshot, origin="request", **common)
    shown = {"truth": project.class_rows.first(), "said": project.class_rows.last(), "right": False}
    answer = ScanAnswer.objects.create(
        evaluation=evaluation, image_id=world.ids["scan"], confidence=0.8, shares=[0.2, 0.8], **shown
    )
    deployment = Deployment.objects.create(project=project, model=model, kind="deploy", deployed_by=admin)
    grade = Grade.objects.create(project=project, image_id=world.ids["scan"], **common)
    batch = GradeBatch.objects.create(project=project, origin="selection", total=1, **common)
    GradeBatchItem.objects.create(batch=batch, image_id=world.ids["scan"], outcome="failed", code="damaged")
    given_back = Grade.objects.create(
        project=project,
        image_id=world.ids["bare"],
        prediction=project.class_rows.first(),
        decision="refer",
        reasons=["below_threshold"],
        **{**common, "status": WorkStatus.SUCCEEDED},
    )
    referral = Referral.objects.create(project=project, image_id=world.ids["bare"], grade=given_back)
    feedback = Feedback.objects.create(grade=grade, project=grade.project, author=admin, correct=True)
    run = TrainingRun.objects.create(
        project=project,
        snapshot=model.snapshot,
        created_by=admin,
        config={},
        active=None,
        status=WorkStatus.FAILED,
    )
    world.ids.update(
        model=model.pk,
        answer=answer.pk,
        evaluation=evaluation.pk,
        deployment=deployment.pk,
        grade=grade.pk,
        feedback=feedback.pk,
        grade_batch=batch.pk,
        referral=referral.pk,
        run=run.pk,
    )
    _watching(world, project, model, admin)


def _watching(world: World, project, model, admin) -> None:
    """An acceptance test, a look, an alarm, and an answer to be read blind that the author holds."""
    place = {"model": model, "site": "S0123456789abcdef"}
    test = AcceptanceTest.objects.create(project=project, wanted=10, created_by=admin, **place)
    look = Watch.objects.create(project=project, model=model, status=WorkStatus.FAILED)
    alarm = Alarm.objects.create(
        project=project, score="distance", rule="tell", limit=1000, log_capital=7.0, seen=9, **place
    )
    answer = Grade.objects.create(
        project=project,
        image_id=world.ids["bare"],
        model=model,
        requested_by=admin,
        status=WorkStatus.SUCCEEDED,
        decision="answer",
        prediction_id=model.classes[0]["id"],
    )
    read = BlindRead.objects.create(
        project=project,
        grade=answer,
        share=0.1,
        holder=world.people["author"],
        held_until=timezone.now() + timedelta(hours=1),
    )
    world.ids.update(acceptance=test.pk, watch=look.pk, alarm=alarm.pk, blind_read=read.pk)
