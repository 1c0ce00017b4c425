import threading

import pytest
from django.db import connection

from images.models import Image
from images.services import create_project, grant
from labeling.models import Snapshot
from mediscan_site.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from mediscan_site.core.models import AuditEvent, WorkStatus
from tests.conftest import PATIENCE_S
from training.models import TrainingRun
from training.services import cancel_run, start_run
from training.wishes import Wishes


def test_a_started_run_is_queued_recorded_and_sent_to_the_train_queue(
    start, no_broker, django_capture_on_commit_callbacks, admin
):
    with django_capture_on_commit_callbacks(execute=True):
        run = start(epochs=3, seed=7, image_size=48, batch_size=8, learning_rate=0.01)
    assert (run.status, run.active, run.created_by) == ("queued", True, admin)
    chosen = {name: run.config[name] for name in ("epochs", "seed", "image_size", "batch_size", "learning_rate")}
    assert chosen == {"epochs": 3, "seed": 7, "image_size": 48, "batch_size": 8, "learning_rate": 0.01}
    assert no_broker == [("training.train", run.pk)]
    assert AuditEvent.objects.get(action="run.start").object_id == str(run.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "vgg16"),
        ("epochs", 0),
        ("epochs", 501),
        ("image_size", 27),
        ("image_size", 1025),
        ("sees", "x-rays"),
        ("shape", "round"),
        ("windows", "40"),
        ("windows", "40/400, 40/0"),
        ("windows", "1/2, 3/4, 5/6, 7/8"),
        ("seed", -1),
        ("batch_size", 1),
        ("folds", 11),
        ("members", 6),
        ("patience", -1),
        ("learning_rate", float("nan")),
        ("learning_rate", 0.0),
        ("pretrained", "perhaps"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_freezes_no_data_set(start, approved_scans, field, value):
    with pytest.raises(Invalid) as refused:
        start(snapshot=None, **{field: value})
    assert refused.value.attr == field
    assert field in refused.value.detail or field == "architecture"
    assert not Snapshot.objects.exists()
    assert not TrainingRun.objects.exists()


def test_a_data_set_that_does_not_suit_the_run_is_not_frozen_and_no_scan_keeps_its_side(start, approved_scans):
    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    with pytest.raises(Conflict) as refused:
        start(snapshot=None, folds=10)
    assert refused.value.code == "not_enough_data"
    assert "Choose fewer folds" in refused.value.detail
    assert not Snapshot.objects.exists()
    assert not Image.objects.filter(split_locked=True).exists()
    assert not AuditEvent.objects.filter(action="snapshot.create").exists()
    assert start(snapshot=None).snapshot == Snapshot.objects.get()


def test_too_few_approved_scans_are_refused_with_what_is_missing(start):
    with pytest.raises(Conflict) as refused:
        start(snapshot=None)
    assert refused.value.code == "not_enough_data"
    assert "NORMAL" in refused.value.detail


def test_scans_that_are_left_out_of_too_few_are_counted_with_the_reason(start, approved_scans):
    for number, split in enumerate(("train", "val", "test")):
        approved_scans(4, first_seed=100 * (number + 1), split=split)
    # Everybody in the validation split turns out to be a patient on the test side.
    Image.objects.filter(split="val").update(patient="p-one")
    Image.objects.filter(pk=Image.objects.filter(split="test").earliest("pk").pk).update(patient="p-one")
    with pytest.raises(Conflict) as refused:
        start(snapshot=None)
    assert refused.value.code == "not_enough_data"
    assert (
        "of at least 1 in val. Approved scans that do not count: 4: Its patient, its study or a copy of it"
        in refused.value.detail
    )
    assert "Label and approve more scans" in refused.value.detail
    assert not Snapshot.objects.exists()


def test_a_data_set_whose_scans_were_erased_is_refused(start, bare_snapshot):
    from django.utils import timezone

    snapshot = bare_snapshot()
    Image.objects.filter(split="test").update(erased_at=timezone.now())
    with pytest.raises(Conflict) as refused:
        start(snapshot=snapshot)
    assert refused.value.code == "not_enough_data"


def test_a_data_set_of_another_project_does_not_exist_here(start, bare_snapshot, admin):
    other = create_project(actor=admin, name="Other", classes=["A", "B"])
    with pytest.raises(Invalid) as refused:
        start(snapshot=bare_snapshot(into=other))
    assert (refused.value.attr, refused.value.code) == ("dataset", "does_not_exist")


def test_only_who_was_granted_the_right_may_train_or_cancel(start, author, outsider, admin, project):
    with pytest.raises(Forbidden):
        start(actor=author)
    with pytest.raises(NotFound):
        start(actor=outsider)
    run = start()
    with pytest.raises(Forbidden):
        cancel_run(actor=author, run=run)
    grant(actor=admin, project=project, user=author, codename="train_model")
    assert cancel_run(actor=author, run=run).status == "cancelled"


def test_a_second_run_is_refused_until_the_first_has_ended(start, admin):
    first = start()
    with pytest.raises(Conflict) as refused:
        start()
    assert refused.value.code == "run_active"
    assert first.code in refused.value.detail
    cancel_run(actor=admin, run=first)
    assert start().status == "queued"


def test_cancelling_a_running_run_asks_its_worker_and_an_ended_one_is_a_conflict(start, admin):
    run = start()
    TrainingRun.objects.filter(pk=run.pk).update(status=WorkStatus.RUNNING, attempt=1)
    asked = cancel_run(actor=admin, run=run)
    assert (asked.status, asked.cancel_requested, asked.active) == ("running", True, True)
    TrainingRun.objects.filter(pk=run.pk).update(status=WorkStatus.FAILED, active=None)
    with pytest.raises(Conflict) as refused:
        cancel_run(actor=admin, run=run)
    assert refused.value.code == "run_ended"


def test_a_run_can_continue_from_a_version_with_its_architecture_and_picture_size(start, bare_snapshot, make_version):
    snapshot = bare_snapshot()
    base = make_version(snapshot)
    run = start(snapshot=snapshot, base_model=base)
    assert run.base_model == base
    assert (run.config["architecture"], run.config["image_size"]) == ("resnet34", 96)
    assert run.config["initialisation"] == "continued"
    assert base.code in run.message


LOOK = {"image_size": 96, "sees": "windows", "windows": "-600/1500, 40/400", "shape": "letterbox"}


def seeing_version(make_version, snapshot, **params):
    return make_version(snapshot, card={"training": {"params": params}})


def test_a_continued_run_sees_exactly_what_its_version_sees(start, bare_snapshot, make_version, project, admin):
    snapshot = bare_snapshot()
    base = seeing_version(make_version, snapshot, **LOOK)
    with pytest.raises(Invalid, match="12 of 12 scans of training, validation and test have 8 bits"):
        start(snapshot=snapshot, base_model=base)
    Image.objects.update(bits=16)
    run = start(snapshot=snapshot, base_model=base, windows="-600/1500,40/400", image_size=96)
    assert {name: run.config[name] for name in LOOK} == LOOK
    assert run.config["plan_note"].startswith(
        f"Sees the windows -600/1500, 40/400 at 96 pixels, at the scan's own shape: as {base.code} does; about "
    )
    cancel_run(actor=admin, run=run)
    # What a project wishes of new versions changes none that are there.
    older = seeing_version(make_version, snapshot, image_size=64)
    project.picture_shape = "letterbox"
    project.save()
    run = start(snapshot=snapshot, base_model=older)
    assert (run.config["sees"], run.config["shape"], run.config["image_size"]) == ("grey", "squash", 64)


@pytest.mark.parametrize(
    ("attr", "value"), [("sees", "colour"), ("image_size", 128), ("shape", "squash"), ("windows", "40/400")]
)
def test_a_continued_run_is_refused_another_look(start, bare_snapshot, make_version, attr, value):
    snapshot = bare_snapshot()
    base = seeing_version(make_version, snapshot, **LOOK)
    with pytest.raises(Invalid) as refused:
        start(snapshot=snapshot, base_model=base, **{attr: value})
    assert refused.value.attr == attr
    assert f"{base.code} sees the windows -600/1500, 40/400 at 96 pixels" in refused.value.detail
    assert f"Leave {attr} out" in refused.value.detail


def test_a_version_is_not_continued_with_other_classes_architecture_or_pretrained_weights(
    start, bare_snapshot, make_version
):
    snapshot = bare_snapshot()
    base = make_version(snapshot)
    turned = make_version(snapshot, classes=list(reversed(snapshot.classes)))
    for wishes, attr, code in (
        ({"base_model": base, "architecture": "resnet18"}, "architecture", "invalid"),
        ({"base_model": base, "pretrained": "true"}, "pretrained", "invalid"),
        ({"base_model": turned}, None, "classes_differ"),
    ):
        with pytest.raises(DomainError) as refused:
            start(snapshot=snapshot, **wishes)
        assert (refused.value.attr, refused.value.code) == (attr, code)


def test_a_version_is_never_continued_towards_a_test_split_it_was_trained_on(start, bare_snapshot, make_version):
    earlier, later = bare_snapshot(), bare_snapshot()
    seen = earlier.members.filter(split="train").first()
    later.members.filter(split="test", label_class=seen.label_class).first().delete()
    later.members.create(
        image=seen.image, label=seen.label, label_class=seen.label_class, split="test", group=seen.group
    )
    with pytest.raises(Conflict) as refused:
        start(snapshot=later, base_model=make_version(earlier))
    assert refused.value.code == "test_leak"


def test_a_version_is_not_continued_towards_a_test_split_that_its_base_was_trained_on(
    start, bare_snapshot, make_version
):
    earlier, between, later = bare_snapshot(), bare_snapshot(), bare_snapshot()
    first = make_version(earlier)
    run = start(snapshot=between, base_model=first)
    TrainingRun.objects.filter(pk=run.pk).update(active=None)
    second = make_version(between, source=run.source)
    seen = earlier.members.filter(split="val").first()
    later.members.create(
        image=seen.image, label=seen.label, label_class=seen.label_class, split="test", group=seen.group
    )
    with pytest.raises(Conflict, match=f"was continued from {first.code}") as refused:
        start(snapshot=later, base_model=second)
    assert refused.value.code == "test_leak"


def test_a_data_set_whose_test_patients_turned_out_to_be_trained_on_is_not_trained_on(start, bare_snapshot):
    snapshot = bare_snapshot()
    for side in ("train", "test"):
        image = snapshot.members.filter(split=side).first().image
        type(image).objects.filter(pk=image.pk).update(patient="p" * 20)
    with pytest.raises(Conflict, match=r"1 test scans of .* turned out") as refused:
        start(snapshot=snapshot)
    assert refused.value.code == "test_leak"


def test_a_version_of_another_project_is_not_continued(start, bare_snapshot, make_version, admin):
    from images.services import create_project

    elsewhere = create_project(actor=admin, name="Hands", classes=["NORMAL", "OPACITY"])
    with pytest.raises(DomainError) as refused:
        start(snapshot=bare_snapshot(), base_model=make_version(bare_snapshot(into=elsewhere)))
    assert (refused.value.attr, refused.value.code) == ("model", "does_not_exist")


@pytest.mark.django_db(transaction=True)
def test_of_runs_started_at_the_same_moment_exactly_one_is_accepted(project, admin, bare_snapshot, monkeypatch):
    from training import services

    snapshot = bare_snapshot()
    gate = threading.Barrier(4, timeout=PATIENCE_S)
    create = services._create

    def all_at_once(*args) -> TrainingRun:
        gate.wait()
        return create(*args)

    monkeypatch.setattr(services, "_create", all_at_once)
    codes: list[str] = []

    def begin() -> None:
        try:
            start_run(actor=admin, project=project, snapshot=snapshot, wishes=Wishes())
            codes.append("started")
        except DomainError as error:
            codes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["run_active"] * 3 + ["started"]
    assert TrainingRun.objects.count() == 1
