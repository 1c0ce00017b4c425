"""What a project expects is fixed when a run is asked for, and reaches the bundle in the order of its classes."""

import numpy as np
import pytest
import torch

from images.services import add_class, update_project
from mediscan_site.core.errors import Conflict
from models_registry.inference.bundle import unpack
from models_registry.inference.preprocess import Preprocess
from models_registry.statistics.calibration import softmax
from models_registry.statistics.prior import corrected
from tests.training.engine.builders import make_data, tiny_config
from training import planning
from training.engine.calibrating import HELD_OUT, CalibrationScans
from training.engine.report import FitResult
from training.engine.setup import initial_network
from training.models import TrainingRun
from training.process import packing
from training.services import start_run
from training.wishes import Wishes

PREPROCESS = Preprocess(32, 0.5, 0.25, 1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def expects(project, admin):
    normal, opacity = project.class_rows.all()
    wanted = {str(normal.pk): 0.95, str(opacity.pk): 0.05}
    changes = {"expected_prevalence": wanted, "conformal_target": 0.8}
    changed = update_project(actor=admin, project=project, changes=changes)
    project.expected_prevalence, project.conformal_target = changed.expected_prevalence, changed.conformal_target
    return wanted


def asked(project, admin, snapshot) -> TrainingRun:
    return start_run(actor=admin, project=project, snapshot=snapshot, wishes=Wishes.of(pretrained="false", epochs=1))


def test_a_run_keeps_what_the_project_expected_when_it_was_asked_for(expects, project, admin, bare_snapshot):
    run = asked(project, admin, bare_snapshot())
    update_project(actor=admin, project=project, changes={"expected_prevalence": {}, "conformal_target": 0.9})
    run.refresh_from_db()
    assert (run.config["expected_prevalence"], run.config["conformal_target"]) == (expects, 0.8)
    assert planning.engine_config(run.config).epochs == 1


def test_what_the_project_stated_is_told_in_the_order_of_the_classes(expects, project, admin, bare_snapshot):
    run = asked(project, admin, bare_snapshot())
    stated = planning.stated(run.config)
    assert stated == planning.Stated(expects, 0.8)
    assert stated.shares(run.snapshot.classes) == (0.95, 0.05)
    assert stated.shares(run.snapshot.classes[::-1]) == (0.05, 0.95)
    assert planning.Stated({}, 0.9).shares(run.snapshot.classes) is None


def test_a_run_is_refused_while_the_prevalence_is_of_other_classes(expects, project, admin, bare_snapshot):
    add_class(actor=admin, project=project, name="EFFUSION")
    with pytest.raises(Conflict, match="State it again in the project's settings") as caught:
        asked(project, admin, bare_snapshot(6))
    assert caught.value.code == "classes_differ"
    assert not TrainingRun.objects.exists()


def test_the_bundle_corrects_to_the_expected_prevalence_in_the_order_of_its_classes(
    expects, project, admin, bare_snapshot
):
    run = asked(project, admin, bare_snapshot())
    data, config = make_data(), tiny_config()
    state = dict(initial_network(config.architecture, 2, 0).state_dict())
    fitted = FitResult(state, (), 1, np.zeros((8, 2), dtype=np.float32), PREPROCESS, stopped=False, seconds=0.0)
    bundle, predictor = packing.pack(run, config, data, fitted, separated_scans())
    prior = unpack(bundle).manifest.prior
    assert prior is not None
    assert prior.expected == (0.95, 0.05)
    assert prior.calibration == (0.5, 0.5)
    said = predictor.predict(data.val_tiles)
    temperature = predictor.manifest.calibration.temperature
    assert temperature is not None
    scaled = softmax(said.logits, temperature)
    assert said.probabilities == pytest.approx(corrected(scaled, prior))
    assert (said.probabilities[:, 0] > scaled[:, 0]).all()
    assert predictor.manifest.conformal is not None
    assert predictor.manifest.conformal.target == 0.8


def separated_scans() -> CalibrationScans:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    logits = rng.normal(size=(60, 2)) + 2 * np.eye(2)[labels]
    return CalibrationScans(logits, labels, tuple(f"p{n}" for n in range(60)), HELD_OUT)
