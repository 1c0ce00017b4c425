"""The laboratory book, in a real local store; and what happens while it is away."""

import json
import time
from pathlib import Path

import pytest

from models_registry.book import gateway
from models_registry.book.gateway import MlflowAway
from models_registry.book.mirroring import mirror_pending, mirror_version
from models_registry.deployments.services import deploy
from tests.conftest import PATIENCE_S


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """One store for all: making one takes seconds, and the tests of one module do not run one after the other."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def book(folder, settings, monkeypatch):
    settings.DATA_DIR = folder
    settings.MLFLOW_ARTIFACTS = folder / "artifacts"
    settings.MLFLOW_TRACKING_URI = f"sqlite:///{folder}/mlflow.db"
    for name, value in gateway.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(gateway, "UPGRADE_TIMEOUT_S", PATIENCE_S)
    # A project's key is its name in the book, and every test's project has key 1 on some databases.
    name = f"mediscan-test-{time.monotonic_ns()}"
    monkeypatch.setattr(gateway, "book_name", lambda project: name)
    yield gateway._client()


@pytest.mark.django_db
def test_a_version_is_mirrored_with_run_metrics_figures_bundle_and_alias(book, make_version, admin):
    model = make_version(architecture="resnet18")
    deploy(actor=admin, model=model)
    assert mirror_version(model.pk)
    model.refresh_from_db()
    assert model.mirrored_at is not None
    run = book.get_run(model.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2"
    assert run.data.metrics["test_balanced_accuracy"] == 0.9
    assert [entry.step for entry in book.get_metric_history(run.info.run_id, "train_loss")] == [1, 2]
    figures = {entry.path for entry in book.list_artifacts(run.info.run_id, "figures")}
    names = ("confusion_matrix", "pr", "reliability", "roc", "training_curves")
    assert figures == {f"figures/{name}.png" for name in names}
    files = {entry.path.removeprefix("model/") for entry in book.list_artifacts(run.info.run_id, "model")}
    assert files >= {"bundle.mediscan", "model_card.md", "model_card.json", "MLmodel", "requirements.txt", "code"}
    given = run.inputs.dataset_inputs[0]
    assert (given.dataset.name, given.dataset.digest) == (model.snapshot.code, model.snapshot.content_hash[:36])
    assert json.loads(given.dataset.source)["content_hash"] == model.snapshot.content_hash
    assert json.loads(given.dataset.profile)["splits"] == {"train": 0, "val": 0, "test": 0}
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
    champion = book.get_model_version_by_alias(gateway.book_name(model.project), "champion")
    assert str(champion.version) == model.mlflow_version
    assert champion.tags["bundle_sha256"] == model.bundle_sha256
    assert champion.tags["bundle_signature"] == model.bundle_signature
    assert champion.tags["dataset_hash"] == model.snapshot.content_hash
    assert champion.tags["test_balanced_accuracy"] == "0.9000"
    stored = Path(champion.source.removeprefix("file://")) / "bundle.mediscan"
    from models_registry.inference.bundle import bundle_digest

    assert bundle_digest(stored.read_bytes()) == model.bundle_sha256


@pytest.mark.django_db
def test_mirroring_again_doubles_nothing_and_moves_the_alias(book, make_version, admin):
    first, second = make_version(), make_version(seed=1)
    for model in (first, second):
        deploy(actor=admin, model=model)
        mirror_pending()
    mirror_version(first.pk)
    name = gateway.book_name(first.project)
    assert len(book.search_model_versions(f"name = '{name}'")) == 2
    runs = book.search_runs([book.get_experiment_by_name(name).experiment_id])
    assert [len(run.inputs.dataset_inputs) for run in runs] == [1, 1]
    second.refresh_from_db()
    assert str(book.get_model_version_by_alias(name, "champion").version) == second.mlflow_version


@pytest.mark.django_db
def test_versions_made_while_mlflow_was_away_are_caught_up(book, make_version, settings):
    there = settings.MLFLOW_TRACKING_URI
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    models = [make_version(seed=seed) for seed in (0, 1)]
    assert not mirror_version(models[0].pk)
    mirror_pending()
    settings.MLFLOW_TRACKING_URI = there
    mirror_pending()
    for model in models:
        model.refresh_from_db()
        assert model.mlflow_version
        assert model.mirrored_at is not None


def test_a_dead_server_is_told_within_seconds(settings):
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    for _ in range(2):  # the first time MLflow is imported, too
        started = time.monotonic()
        with pytest.raises(MlflowAway):
            gateway.log_epoch("run", 1, {"loss": 0.5})
    assert time.monotonic() - started < 60, "MLflow's own repeats take minutes"


def test_without_an_address_no_book_is_kept_anywhere(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.MLFLOW_TRACKING_URI = ""
    with pytest.raises(MlflowAway, match="empty"):
        gateway.log_epoch("run", 1, {"loss": 0.5})
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_cannot_be_named_out_of_its_folder():
    for name in ("../bundle.mediscan", "/etc/passwd", "code/../../x.py", ".netrc", "a b.txt", ""):
        with pytest.raises(MlflowAway, match="no name for an artifact"):
            gateway._artifact_path(name)
    assert gateway._artifact_path("code/models_registry/__init__.py")


def test_what_mlflow_refuses_is_told_without_its_message(book):
    with pytest.raises(MlflowAway) as refusal:
        gateway.log_epoch("no-such-run", 1, {"loss": 0.5})
    assert "no-such-run" not in str(refusal.value)


def test_no_figure_needs_pyplot():
    import subprocess
    import sys

    code = (
        "import sys, json; from models_registry.book import figures;"
        "figures.confusion_matrix([[1, 0], [0, 1]], ['a', 'b']); figures.curves([{'epoch': 1, 'loss': 0.5}]);"
        "print(json.dumps('matplotlib.pyplot' in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert json.loads(out) is False
