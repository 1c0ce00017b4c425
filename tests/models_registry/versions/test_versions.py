"""Registering a version."""

import pytest
from django.conf import settings

from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from models_registry import selectors
from models_registry.inference.bundle import verify_signature
from models_registry.models import Evaluation, ModelVersion
from models_registry.versions import cards
from models_registry.versions.services import register_version
from tests.models_registry.conftest import bundle_bytes, report

pytestmark = pytest.mark.django_db


def test_a_version_is_stored_encrypted_signed_and_numbered(make_version):
    first, second = make_version(architecture="resnet18"), make_version(seed=1)
    assert (first.number, second.number) == (1, 2)
    assert first.version == "v1.0"
    data = blobs.read(first.bundle)
    assert first.bundle.sha256 == first.bundle_sha256
    assert verify_signature(data, first.bundle_signature, settings.KEY_RING.signing_public)
    assert not verify_signature(data, second.bundle_signature, settings.KEY_RING.signing_public)


def test_the_same_training_registers_once(make_version):
    first = make_version(source="training007")
    objects = Blob.objects.count()
    again = make_version(source="training007", seed=5)
    assert again.pk == first.pk
    assert ModelVersion.objects.count() == 1
    assert Evaluation.objects.count() == 1
    assert Blob.objects.count() == objects


def test_the_trainings_reading_of_the_test_split_is_counted(make_version):
    for number in (1, 2):
        model = make_version(seed=number)
        evaluation = model.evaluations.get()
        assert evaluation.origin == Evaluation.Origin.TRAINING
        assert evaluation.status == "succeeded"
        assert evaluation.test_reads == number


def test_the_bundle_must_be_one_and_have_the_named_classes(project, admin, snapshot):
    classes = list(project.class_rows.all())

    def register(bundle: bytes, named) -> ModelVersion:
        return register_version(
            actor=admin,
            project=project,
            snapshot=snapshot,
            architecture="resnet18",
            bundle=bundle,
            source="training001",
            classes=[row.pk for row in named],
            calibration={},
            card={},
            metrics=report(),
        )

    with pytest.raises(Invalid, match="bundle"):
        register(b"no bundle at all", classes)
    with pytest.raises(Invalid, match="order"):
        register(bundle_bytes(classes), classes[::-1])
    with pytest.raises(Invalid, match="two or more"):
        register(bundle_bytes(classes), classes[:1])
    assert not ModelVersion.objects.exists()


def test_the_card_tells_use_limits_data_figures_and_calibration(make_version, project):
    model = make_version()
    evaluation = selectors.latest_evaluation(model)
    card, text = cards.card(model, evaluation), cards.text(model, evaluation)
    assert card["research_use"].startswith("Research use only")
    assert card["intended_use"] == project.intended_use
    assert card["dataset"]["grouping"] == "patient"
    assert card["metrics"]["test_reads"] == 1
    assert card["calibration"]["prevalence"] == [0.5, 0.5]
    assert "balanced accuracy: 0.900 (0.800 to 0.970)" in text
    assert "n = 40" in text
    assert "prevalence of NORMAL 50%, OPACITY 50%" in text


def test_registering_is_audited_without_the_bundle(make_version):
    model = make_version()
    event = AuditEvent.objects.get(action="model.register")
    assert event.object_id == str(model.pk)
    assert set(event.details) == {"number", "dataset", "bundle_sha256"}


def test_the_stage_follows_the_deployments(make_version, admin):
    from models_registry.deployments.services import deploy

    first, second, third = make_version(), make_version(seed=1), make_version(seed=2)
    deploy(actor=admin, model=first)
    deploy(actor=admin, model=second)
    stages = {row.pk: row.stage for row in selectors.versions(admin)}
    assert stages == {first.pk: "retired", second.pk: "deployed", third.pk: "candidate"}
    assert [selectors.stage(row) for row in (first, second, third)] == ["retired", "deployed", "candidate"]
