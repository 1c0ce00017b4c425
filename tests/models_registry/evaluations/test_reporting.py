"""One report for evaluations and training runs: subgroups from what is known about the scans, and the deployed version."""

from types import SimpleNamespace

import numpy as np
import pytest

from images.models import Metadata
from models_registry.deployments.services import deploy
from models_registry.evaluations import reporting
from models_registry.evaluations.services import request_evaluation
from models_registry.evaluations.subgroups import age_band, columns
from models_registry.evaluations.worker import run_evaluation
from models_registry.models import Evaluation
from models_registry.versions import cards, serving
from tests.models_registry.conftest import empty_snapshot, report

pytestmark = pytest.mark.django_db


def evaluated(admin, model):
    evaluation = request_evaluation(actor=admin, model=model)
    run_evaluation(evaluation.pk)
    evaluation.refresh_from_db()
    assert evaluation.error == ""
    return dict(evaluation.metrics)


def test_the_deployed_version_answers_the_same_scans_in_the_same_reading(make_snapshot, make_version, admin):
    snapshot = make_snapshot(12)
    old, new = make_version(seed=1, on=snapshot), make_version(seed=2, on=snapshot)
    deploy(actor=admin, model=old)
    read_before = Evaluation.objects.filter(test_reads__isnull=False).count()
    found = evaluated(admin, new)["comparison"]
    assert (found["available"], found["deployed"], found["n"], found["n_groups"]) == (True, old.code, 12, 12)
    assert {test["figure"] for test in found["tests"]} == {"auroc", "balanced_accuracy", "accuracy"}
    assert Evaluation.objects.latest("pk").test_reads == read_before + 1
    alone = evaluated(admin, old)
    accuracy = {test["figure"]: test for test in found["tests"]}["accuracy"]
    assert accuracy["deployed"] == pytest.approx(alone["accuracy"]["value"])
    assert alone["comparison"] == {"available": False, "reason": "It is the deployed version itself."}


def test_the_gate_reads_the_comparison_with_what_serves(make_snapshot, make_version, admin):
    snapshot = make_snapshot(12)
    old, new = make_version(seed=1, on=snapshot), make_version(seed=2, on=snapshot)
    deploy(actor=admin, model=old)
    evaluated(admin, new)
    deployment = deploy(actor=admin, model=new, override_reason="To see what the gate wrote down.")
    tests = deployment.gate["figures"]["tests"]
    assert {test["figure"] for test in tests} == {"auroc", "balanced_accuracy", "accuracy"}
    assert all(0 <= test["p"] <= test["p_holm"] <= 1 for test in tests)


def test_classes_in_another_order_are_brought_into_order(make_snapshot, make_version, admin):
    snapshot = make_snapshot(6)
    deployed = make_version(seed=1, on=snapshot)
    deploy(actor=admin, model=deployed)
    predictor = serving.predictor(deployed)
    straight = reporting.build(snapshot, predictor, deployed.classes)
    assert straight["comparison"]["tests"][-1]["difference"] == 0
    turned = reporting._rival(snapshot, list(reversed(deployed.classes)), None)
    assert turned.order == [1, 0]


def test_a_deployed_version_that_was_fitted_on_these_scans_is_no_fair_rival(
    make_snapshot, make_version, admin, project
):
    from labeling.models import SnapshotMember

    snapshot = make_snapshot(6)
    deployed = make_version(seed=1, on=snapshot)
    deploy(actor=admin, model=deployed)
    later = empty_snapshot(project, admin, "f" * 64)
    for split, member in zip(("train", "test"), snapshot.members.filter(split="train")[:2], strict=True):
        columns_of = {name: getattr(member, name) for name in ("image", "label", "label_class", "group", "sha256")}
        SnapshotMember.objects.create(snapshot=later, split=split, **columns_of)
    found = evaluated(admin, make_version(seed=2, on=later))["comparison"]
    assert not found["available"]
    assert "was trained on scans or patients" in found["reason"]


def test_a_deployed_version_with_a_damaged_bundle_is_named_and_the_report_stands(make_snapshot, make_version, admin):
    snapshot = make_snapshot(6)
    old, new = make_version(seed=1, on=snapshot), make_version(seed=2, on=snapshot)
    deploy(actor=admin, model=old)
    serving.forget()
    type(old).objects.filter(pk=old.pk).update(bundle_sha256="0" * 64)
    metrics = evaluated(admin, new)
    assert metrics["accuracy"]["value"] is not None
    assert f"{old.code} cannot be read" in metrics["comparison"]["reason"]


def test_without_a_deployed_version_nothing_is_compared(make_snapshot, make_version, admin):
    found = evaluated(admin, make_version(on=make_snapshot(6), metrics=report()))["comparison"]
    assert found == {"available": False, "reason": "No version was deployed when this was measured."}


def test_slices_come_from_what_is_known_of_the_scans(make_snapshot, make_version, admin):
    snapshot = make_snapshot(6)
    for number, member in enumerate(snapshot.members.filter(split="test").order_by("pk")):
        facts = {"sex": "F" if number % 4 < 2 else "M", "age": 38 + number, "institution": "" if number else "St. Anna"}
        Metadata.objects.filter(image=member.image).update(**facts)
    metrics = evaluated(admin, make_version(on=snapshot))
    found = [(entry["by"], entry["value"], entry["n"]) for entry in metrics["slices"]]
    assert ("sex", "female", 4) in found
    assert ("age", "18 to 39", 2) in found
    assert ("age", "40 to 64", 4) in found
    assert ("institution", "unknown", 5) in found
    assert "view" in metrics["undivided"]
    assert metrics["curves"]["roc"][0]["class"] == "OPACITY"


def test_words_for_the_same_thing_are_one_value(make_scan):
    scans = [make_scan(seed=seed) for seed in range(4)]
    for scan, (sex, side) in zip(scans, (("M", "L"), ("male", "left"), (" Male ", "LEFT"), ("", "")), strict=True):
        Metadata.objects.filter(image=scan).update(sex=sex, laterality=side)
        scan.refresh_from_db()
    found = columns(scans)
    assert found["sex"] == ["male", "male", "male", ""]
    assert found["laterality"] == ["left", "left", "left", ""]
    assert found["device"] == [""] * 4


@pytest.mark.parametrize(
    ("age", "band"),
    [(None, ""), (0, "0 to 17"), (17.9, "0 to 17"), (18, "18 to 39"), (64.5, "40 to 64"), (65, "65 and older")],
)
def test_ages_fall_into_bands(age, band):
    assert age_band(age) == band


class AlwaysRight:
    """A predictor that knows the labels of the scans in the order in which they are read."""

    needs_views = False

    def __init__(self, labels: list[int]) -> None:
        self._left = list(labels)
        self.manifest = SimpleNamespace(referral=SimpleNamespace(threshold=0.5))

    def predict(self, tiles, pixels):
        now, self._left = self._left[: len(tiles)], self._left[len(tiles) :]
        shares = np.where(np.eye(2)[now] == 1, 0.9, 0.1)
        return SimpleNamespace(each=lambda: [SimpleNamespace(probabilities=row[None]) for row in shares])


def test_no_error_on_few_patients_is_no_certainty_in_report_card_api_and_page(
    make_snapshot, make_version, admin, api, client
):
    """Twelve patients, six of each class, all right: Clopper and Pearson say 0.735 for twelve of twelve."""
    snapshot = make_snapshot(12)
    test = snapshot.members.filter(split="test").order_by("pk")
    ids = list(snapshot.project.class_rows.values_list("pk", flat=True))
    classes = [{"id": row.pk, "name": row.name} for row in snapshot.project.class_rows.all()]
    predictor = AlwaysRight([ids.index(member.label_class_id) for member in test])
    metrics = reporting.build(snapshot, predictor, classes)
    shown = "1.000 (0.735 to 1.000)"
    assert f"{metrics['accuracy']['low']:.3f}" == "0.735"
    assert 0.5 < metrics["auroc"]["low"] < 0.95
    model = make_version(on=snapshot, metrics=metrics)
    assert f"- accuracy: {shown}" in cards.text(model, model.evaluations.get())
    answer = api(admin).get(f"/api/v1/evaluations/{model.evaluations.get().pk}/").json()
    assert answer["metrics"]["accuracy"] == metrics["accuracy"]
    client.force_login(admin)
    assert shown in client.get(f"/models/{model.pk}/").content.decode()
