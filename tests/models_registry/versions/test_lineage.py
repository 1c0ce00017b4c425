"""What a version has seen: its own scans, and those of every version that it was continued from."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images.models import Image, NearDuplicate, Rendition, RenditionKind
from images.services import merge_patients
from labeling.models import SnapshotMember
from mediscan_site.core.errors import Conflict
from models_registry.deployments.services import deploy, judge
from models_registry.evaluations import reporting
from models_registry.evaluations.services import request_evaluation
from models_registry.models import ModelVersion
from models_registry.selectors import current_deployment
from models_registry.versions import lineage
from tests.models_registry.conftest import empty_snapshot
from training.models import TrainingRun

pytestmark = pytest.mark.django_db


def copied(snapshot, member, split: str) -> None:
    """The member again, in another data set and on another side."""
    same = {name: getattr(member, name) for name in ("image", "label", "label_class", "group", "sha256")}
    SnapshotMember.objects.create(snapshot=snapshot, split=split, **same)


@pytest.fixture
def continued(make_version, admin, project):
    """`continued(base, on=snapshot)`: a version that a run made from `base`."""

    def make(base, *, on, ended: bool = True) -> ModelVersion:
        run = TrainingRun.objects.create(
            project=project, snapshot=on, base_model=base, created_by=admin, config={}, active=None
        )
        model: ModelVersion = make_version(on=on, source=run.source)
        if ended:
            TrainingRun.objects.filter(pk=run.pk).update(model=model)
        return model

    return make


@pytest.fixture
def overlapping(make_snapshot, project, admin):
    """Three data sets of one pool of scans: what the first trains on, the third tests; the second shares nothing with it."""
    first = make_snapshot(6)
    second, third = empty_snapshot(project, admin, "2" * 64), empty_snapshot(project, admin, "3" * 64)
    train, val, test = (list(first.members.filter(split=side)) for side in ("train", "val", "test"))
    for member in test[:3]:
        copied(second, member, "train")
    for member in test[3:]:
        copied(second, member, "test")
    for member in (*train[:3], val[0]):
        copied(third, member, "test")
    return first, second, third


def test_a_version_has_seen_what_every_version_it_was_continued_from_has_seen(
    overlapping, make_version, continued, admin
):
    first, second, third = overlapping
    grandmother = make_version(on=first)
    mother = continued(grandmother, on=second)
    model = continued(mother, on=second)
    assert lineage.ancestry(model) == [model, mother, grandmother]
    assert lineage.exposures(model, third) == [lineage.Exposure(grandmother, 4)]
    with pytest.raises(Conflict) as refusal:
        request_evaluation(actor=admin, model=model, snapshot=third)
    assert refusal.value.code == "test_leak"
    assert f"{model.code} was continued from {grandmother.code}" in refusal.value.detail
    assert "(4 of 4 scans)" in refusal.value.detail
    assert request_evaluation(actor=admin, model=make_version(on=second), snapshot=third).snapshot == third


def test_a_version_is_known_by_its_run_before_the_run_has_ended(overlapping, make_version, continued):
    first, second, third = overlapping
    model = continued(make_version(on=first), on=second, ended=False)
    assert lineage.why_flattered(model, third)


def test_all_who_have_seen_some_are_named_with_how_many(overlapping, make_version, continued):
    first, second, third = overlapping
    copied(third, second.members.filter(split="train")[0], "test")
    base = make_version(on=first)
    model = continued(base, on=second)
    assert lineage.why_flattered(model, third) == (
        f"{model.code} was trained on scans or patients of {third.code}'s test split (1 of 5 scans); "
        f"{model.code} was continued from {base.code}, which was trained on scans or patients of {third.code}'s test split "
        "(4 of 5 scans); a result would flatter it."
    )


def _one_patient(seen, tested, admin) -> None:
    merge_patients(actor=admin, project=seen.image.project, source=seen.image.patient, target=tested.image.patient)


def _equal_bytes(seen, tested, admin) -> None:
    SnapshotMember.objects.filter(pk=tested.pk).update(sha256=seen.sha256)


def _equal_pixels(seen, tested, admin) -> None:
    tiles = Rendition.objects.filter(kind=RenditionKind.TILE)
    digest = tiles.get(image=seen.image).blob.sha256
    type(tiles.get(image=tested.image).blob).objects.filter(pk=tiles.get(image=tested.image).blob_id).update(
        sha256=digest
    )


def _lookalikes(seen, tested, admin) -> None:
    first, second = sorted((seen.image_id, tested.image_id))
    NearDuplicate.objects.create(
        project=seen.image.project, first_id=first, second_id=second, distance=3, correlation=0.999
    )


@pytest.mark.parametrize("bind", [_one_patient, _equal_bytes, _equal_pixels, _lookalikes])
def test_a_test_scan_that_an_ancestor_saw_in_another_guise_is_a_leak(
    bind, make_snapshot, make_version, continued, project, admin
):
    first = make_snapshot(4)
    second = empty_snapshot(project, admin, "2" * 64)
    for side, member in zip(("train", "train", "test", "test"), first.members.filter(split="test"), strict=True):
        copied(second, member, side)
    model = continued(make_version(on=first), on=second)
    assert lineage.exposures(model, second) == []
    bind(first.members.filter(split="val")[0], second.members.filter(split="test")[0], admin)
    assert [exposure.scans for exposure in lineage.exposures(model, second)] == [1]


def test_the_question_costs_the_same_for_many_scans_and_few(overlapping, make_version, continued, approved_scans):
    first, second, third = overlapping
    model = continued(make_version(on=first), on=second)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            lineage.exposures(model, third)
        return len(asked)

    before = queries()
    for scan in approved_scans(8, first_seed=9000):
        label = scan.reference.label
        facts = {"label": label, "label_class": label.label_class, "group": f"scan:{scan.pk}", "sha256": scan.sha256}
        SnapshotMember.objects.create(snapshot=third, image=scan, split="test", **facts)
    assert queries() == before <= 8


def test_scans_without_digest_or_patient_are_not_taken_for_each_other(overlapping, make_version, project):
    first, second, _ = overlapping
    SnapshotMember.objects.update(sha256="")
    Image.objects.filter(project=project).update(patient=None)
    assert lineage.exposures(make_version(on=first), first) == []
    assert lineage.exposures(make_version(on=second), second) == []


def test_the_deployed_version_is_no_rival_where_its_ancestor_saw_the_test_scans(
    overlapping, make_version, continued, admin
):
    first, second, third = overlapping
    serving = continued(make_version(on=first), on=second)
    deploy(actor=admin, model=serving, override_reason="Nothing else is there.")
    rival = reporting._rival(third, serving.classes, None)
    assert rival.model is None
    assert "was continued from" in rival.reason


def test_the_gate_takes_no_report_on_scans_that_the_version_or_its_ancestors_saw(
    overlapping, make_version, continued, admin
):
    first, second, third = overlapping
    copied(third, second.members.filter(split="test")[0], "train")
    base = make_version(on=first)
    # Its own reading, of the data set's test split that its base has trained on.
    model = continued(base, on=third)
    verdict = judge(model, None)
    assert not verdict.passed
    assert "proves nothing" in verdict.reasons[0]
    assert base.code in verdict.reasons[0]
    assert judge(base, None).passed


def test_the_gate_does_not_compare_with_a_deployed_version_that_saw_the_test_scans(
    overlapping, make_version, continued, admin, project
):
    first, _, third = overlapping
    serving = make_version(on=first)
    deploy(actor=admin, model=serving)
    model = make_version(on=third)
    # A report from before this was looked at: it must not count against the new version.
    serving.evaluations.create(
        snapshot=third,
        origin="request",
        requested_by=admin,
        status="succeeded",
        metrics={"balanced_accuracy": {"value": 1.0, "low": 1.0, "high": 1.0}},
    )
    verdict = judge(model, current_deployment(project))
    assert verdict.passed
    assert "could not be compared with the deployed version" in verdict.warnings[0]
    assert serving.code in verdict.warnings[0]
    assert verdict.figures["deployed"] is None
