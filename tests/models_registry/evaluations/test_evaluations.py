"""Reading a test split."""

import pytest

from images.services import delete_scan
from mediscan_site.core.errors import Conflict, Forbidden, Invalid
from mediscan_site.core.models import AuditEvent
from models_registry.evaluations.services import request_evaluation
from models_registry.evaluations.worker import run_evaluation
from models_registry.models import Evaluation, ScanAnswer
from tests.models_registry.conftest import empty_snapshot

pytestmark = pytest.mark.django_db


def test_an_evaluation_reads_the_test_split_and_is_counted(make_snapshot, make_version, admin):
    snapshot = make_snapshot(6)
    model = make_version(on=snapshot, architecture="resnet18")
    evaluation = request_evaluation(actor=admin, model=model)
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    assert (evaluation.status, evaluation.error) == ("succeeded", "")
    assert evaluation.metrics["n"] == 6
    assert evaluation.metrics["classes"] == ["NORMAL", "OPACITY"]
    assert sum(map(sum, evaluation.metrics["confusion_matrix"])) == 6
    assert evaluation.test_reads == 2
    assert AuditEvent.objects.filter(action="evaluation.finish").count() == 1


def test_erased_scans_are_left_out_and_counted(make_snapshot, make_version, admin):
    snapshot = make_snapshot(4)
    model = make_version(on=snapshot)
    delete_scan(actor=admin, image=snapshot.members.filter(split="test").first().image)
    evaluation = request_evaluation(actor=admin, model=model)
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    assert (evaluation.metrics["n"], evaluation.metrics["erased"]) == (3, 1)


def test_a_data_set_without_test_scans_is_refused(make_version, admin):
    with pytest.raises(Conflict) as refusal:
        request_evaluation(actor=admin, model=make_version())
    assert refusal.value.code == "not_enough_data"


def test_a_test_split_the_model_was_fitted_on_is_refused(make_snapshot, make_version, admin):
    from labeling.models import SnapshotMember

    snapshot = make_snapshot(4)
    model = make_version(on=snapshot)
    leaky = empty_snapshot(snapshot.project, admin, "f" * 64)
    member = snapshot.members.filter(split="train").first()
    SnapshotMember.objects.create(
        snapshot=leaky,
        image=member.image,
        label=member.label,
        label_class=member.label_class,
        split="test",
        group=member.group,
        sha256=member.sha256,
    )
    with pytest.raises(Conflict) as refusal:
        request_evaluation(actor=admin, model=model, snapshot=leaky)
    assert refusal.value.code == "test_leak"


def test_a_test_patient_who_turns_out_to_be_one_the_model_was_fitted_on_is_a_leak(make_snapshot, make_version, admin):
    from images.services import merge_patients

    snapshot = make_snapshot(4)
    model = make_version(on=snapshot)
    assert request_evaluation(actor=admin, model=model).snapshot == snapshot
    tested, trained = (snapshot.members.filter(split=side)[0].image.patient for side in ("test", "train"))
    merge_patients(actor=admin, project=snapshot.project, source=tested, target=trained)
    with pytest.raises(Conflict) as refusal:
        request_evaluation(actor=admin, model=model)
    assert refusal.value.code == "test_leak"


def test_rights_and_foreign_data_sets(make_version, author, admin):
    from images.services import create_project

    model = make_version()
    with pytest.raises(Forbidden):
        request_evaluation(actor=author, model=model)
    other = create_project(actor=admin, name="Hands", classes=["A", "B"])
    with pytest.raises(Invalid):
        request_evaluation(actor=admin, model=model, snapshot=empty_snapshot(other, admin, "a" * 64))
    assert Evaluation.objects.filter(origin="request").count() == 0


def test_what_it_said_of_each_test_scan_is_kept_until_the_scan_is_erased(make_snapshot, make_version, admin):
    """One row for each, as the confusion matrix counts them; an evaluation of earlier days has none."""
    snapshot = make_snapshot(6)
    evaluation = request_evaluation(actor=admin, model=make_version(on=snapshot))
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    rows = list(ScanAnswer.objects.filter(evaluation=evaluation))
    counted = evaluation.metrics["confusion_matrix"]
    assert len(rows) == evaluation.metrics["n"] > 0
    assert sum(row.right for row in rows) == sum(counted[i][i] for i in range(2))
    assert all(abs(sum(row.shares) - 1) < 1e-5 and row.confidence == pytest.approx(max(row.shares)) for row in rows)
    delete_scan(actor=admin, image=rows[0].image)
    assert ScanAnswer.objects.filter(evaluation=evaluation).count() == len(rows) - 1
