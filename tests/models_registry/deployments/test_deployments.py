"""Deploying and rolling back."""

import pytest
from django.core.files.storage import storages

from images.services import grant
from mediscan_site.core.errors import Conflict, Forbidden, NotFound
from mediscan_site.core.models import AuditEvent
from models_registry import selectors
from models_registry.deployments.services import deploy, rollback
from models_registry.models import Deployment, ModelVersion
from models_registry.versions import serving
from tests.models_registry.conftest import empty_snapshot, report

pytestmark = pytest.mark.django_db


def damage(model: ModelVersion) -> None:
    """Flip one stored byte of the bundle."""
    storage = storages["blobs"]
    with storage.open(model.bundle.path, "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    storage.delete(model.bundle.path)
    from django.core.files.base import ContentFile

    assert storage.save(model.bundle.path, ContentFile(bytes(data))) == model.bundle.path


def test_deploying_moves_the_one_pointer_and_keeps_history(make_version, admin, project):
    first, second = make_version(), make_version(seed=1, architecture="resnet18")
    one = deploy(actor=admin, model=first)
    two = deploy(actor=admin, model=second)
    assert one.previous is None
    assert two.previous == one
    assert selectors.deployed_model(project) == second
    assert Deployment.objects.count() == 2
    assert AuditEvent.objects.filter(action="model.deploy").count() == 2


def test_deploying_what_serves_changes_nothing(deployed, admin):
    again = deploy(actor=admin, model=deployed)
    assert again.model == deployed
    assert Deployment.objects.count() == 1


def test_only_those_with_the_right_deploy(make_version, author, outsider, admin, project):
    model = make_version()
    with pytest.raises(Forbidden):
        deploy(actor=author, model=model)
    with pytest.raises(NotFound):
        deploy(actor=outsider, model=model)
    grant(actor=admin, project=project, user=author, codename="deploy_model")
    assert deploy(actor=author, model=model).deployed_by == author


def test_a_refused_version_needs_a_reason_which_is_recorded(make_version, admin, project):
    model = make_version(metrics=report(0.45, 0.4, 0.49))
    with pytest.raises(Conflict) as refusal:
        deploy(actor=admin, model=model, override_reason="  ")
    assert refusal.value.code == "gate_refused"
    assert selectors.deployed_model(project) is None
    made = deploy(actor=admin, model=model, override_reason="To compare on the ward.")
    assert made.override_reason == "To compare on the ward."
    assert made.gate["passed"] is False


def test_a_worse_version_on_the_same_scans_is_refused(make_version, admin, project):
    deploy(actor=admin, model=make_version(metrics=report(0.95)))
    with pytest.raises(Conflict, match="worse than the deployed"):
        deploy(actor=admin, model=make_version(seed=1, metrics=report(0.9)))
    other = empty_snapshot(project, admin, "f" * 64)
    made = deploy(actor=admin, model=make_version(seed=2, metrics=report(0.9), on=other))
    assert "could not be compared" in made.gate["warnings"][0]


def test_a_version_without_an_evaluation_is_refused(make_version, admin):
    model = make_version()
    model.evaluations.all().delete()
    with pytest.raises(Conflict, match="no succeeded evaluation"):
        deploy(actor=admin, model=model)


def test_a_damaged_bundle_is_not_deployed_and_the_old_model_keeps_serving(deployed, make_version, admin, project):
    broken = make_version(seed=1)
    damage(broken)
    with pytest.raises(Conflict) as refusal:
        deploy(actor=admin, model=broken, override_reason="I want it.")
    assert refusal.value.code == "bundle_damaged"
    assert selectors.deployed_model(project) == deployed


def test_a_bundle_signed_by_another_site_is_refused(make_version, admin):
    ours, theirs = make_version(), make_version(seed=1)
    ModelVersion.objects.filter(pk=ours.pk).update(bundle_signature=theirs.bundle_signature)
    ours.refresh_from_db()
    with pytest.raises(Conflict, match="signature"):
        deploy(actor=admin, model=ours)


def test_a_bundle_swapped_in_the_store_is_refused(make_version, admin):
    ours, theirs = make_version(), make_version(seed=1)
    ModelVersion.objects.filter(pk=ours.pk).update(bundle=theirs.bundle)
    ours.refresh_from_db()
    with pytest.raises(Conflict, match="not the one that was registered"):
        deploy(actor=admin, model=ours)


def test_rolling_back_walks_back_one_version_at_a_time(make_version, admin, project):
    models = [make_version(seed=seed) for seed in range(3)]
    for model in models:
        deploy(actor=admin, model=model)
    assert rollback(actor=admin, project=project).model == models[1]
    assert rollback(actor=admin, project=project).model == models[0]
    with pytest.raises(Conflict) as refusal:
        rollback(actor=admin, project=project)
    assert refusal.value.code == "nothing_to_roll_back"
    assert selectors.deployed_model(project) == models[0]
    assert list(Deployment.objects.order_by("pk").values_list("kind", flat=True)) == ["deploy"] * 3 + ["rollback"] * 2


def test_without_any_deployment_there_is_nothing_to_roll_back(admin, project):
    with pytest.raises(Conflict) as refusal:
        rollback(actor=admin, project=project)
    assert refusal.value.code == "nothing_to_roll_back"


def test_of_two_deployments_at_once_the_second_is_told(make_version, admin, monkeypatch):
    first, second, third = (make_version(seed=seed) for seed in range(3))
    stale = deploy(actor=admin, model=first)
    deploy(actor=admin, model=second)
    from models_registry.deployments import services

    monkeypatch.setattr(services, "current_deployment", lambda project: stale)
    with pytest.raises(Conflict, match="same moment"):
        deploy(actor=admin, model=third)
    assert Deployment.objects.count() == 2


def test_the_predictors_in_memory_are_few(make_version):
    for seed in range(serving.CAPACITY + 2):
        serving.predictor(make_version(seed=seed))
    assert len(serving._cache) == serving.CAPACITY
