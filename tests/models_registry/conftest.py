"""A tiny real bundle (random weights at 32 pixels) and versions made of it through the registry's own service.

The network is the compact one, which has 2.7 MB where ResNet-18 has 45: one test of each wing that loads bundles asks for
`architecture="resnet18"`, and the others lose nothing by the small one."""

from functools import lru_cache

import pytest
import torch

from models_registry.inference import bundle as bundles
from models_registry.inference.architectures import build
from models_registry.inference.names import COMPACT
from models_registry.inference.preprocess import Preprocess
from models_registry.statistics.calibration import Calibration, Referral
from models_registry.versions import serving


@pytest.fixture(autouse=True)
def _no_predictor_stays_in_memory():
    yield
    serving.forget()


@lru_cache(maxsize=16)
def random_weights(architecture: str, n_classes: int, seed: int, channels: int = 1):
    """The same weights for the same arguments; not to be changed."""
    torch.manual_seed(seed)
    return build(architecture, n_classes, channels).state_dict()


def bundle_bytes(classes, *, seed: int = 0, calibrated: bool = True, threshold: float = 0.0, **facts) -> bytes:
    """`classes`: ProjectClass rows in order; `facts`: what else the manifest shall say."""
    usual = {
        "architecture": COMPACT,
        "classes": tuple(bundles.ClassRef(row.pk, row.name) for row in classes),
        "preprocess": Preprocess(32, 0.5, 0.25),
        "calibration": Calibration(1.5, 40) if calibrated else Calibration(None, 3, "only 3 validation scans"),
        "referral": Referral(threshold, 0.9, 0.9, 40),
        "prevalence": tuple(1 / len(classes) for _ in classes),
        "dataset_hash": "d" * 64,
    }
    manifest = bundles.Manifest(**{**usual, **facts})
    weights = random_weights(manifest.architecture, len(classes), seed, manifest.preprocess.channels)
    return bundles.pack(manifest, weights)


def report(value: float | None = 0.9, low: float | None = 0.8, high: float | None = 0.97):
    """A report as `evaluation_report` makes it, with the parts that the registry reads."""
    figure = {"value": value, "low": low, "high": high}
    return {
        "n": 40,
        "n_groups": 40,
        "classes": ["NORMAL", "OPACITY"],
        "accuracy": figure,
        "balanced_accuracy": figure,
        "confusion_matrix": [[18, 2], [2, 18]],
        "curves": {
            "roc": [{"class": "OPACITY", "prevalence": 0.5, "points": [[0.0, 0.0], [0.1, 0.9], [1.0, 1.0]]}],
            "pr": [{"class": "OPACITY", "prevalence": 0.5, "points": [[0.0, 1.0], [0.9, 0.9], [1.0, 0.5]]}],
        },
        "reliability": [{"low": 0.9, "high": 1.0, "n": 40, "confidence": 0.95, "accuracy": 0.9}],
    }


@pytest.fixture
def snapshot(project, admin):
    """An empty frozen data set: enough for tests that do not read its scans."""
    return empty_snapshot(project, admin, "e" * 64)


def empty_snapshot(project, actor, content_hash: str):
    from labeling.models import Snapshot

    return Snapshot.objects.create(
        project=project,
        content_hash=content_hash,
        grouping="patient",
        classes=[],
        class_counts={},
        created_by=actor,
    )


@pytest.fixture
def make_version(project, admin, snapshot):
    """`make_version(seed=1, metrics=report(0.5), calibrated=False, on=snapshot)`: a registered version."""
    count = iter(range(1, 1000))

    def make(*, seed: int = 0, metrics=None, on=None, source: str = "", architecture: str = COMPACT, **bundle):
        from models_registry.versions.services import register_version

        classes = list(project.class_rows.all())
        return register_version(
            actor=admin,
            project=project,
            snapshot=on or snapshot,
            architecture=architecture,
            bundle=bundle_bytes(classes, seed=seed, architecture=architecture, **bundle),
            source=source or f"training{next(count):03d}",
            classes=[row.pk for row in classes],
            calibration={},
            card={
                "params": {"epochs": 2},
                "epochs": [{"epoch": 1, "train_loss": 0.7}, {"epoch": 2, "train_loss": 0.5}],
            },
            metrics=metrics if metrics is not None else report(),
        )

    return make


@pytest.fixture
def deployed(make_version, admin):
    from models_registry.deployments.services import deploy

    model = make_version()
    deploy(actor=admin, model=model)
    return model


@pytest.fixture
def answered(deployed, author, make_scan, project):
    """`answered(seed=3)`: a grade of a new scan, answered by the worker's own function."""
    from models_registry.grades.services import request_grade
    from models_registry.grades.worker import run_grade
    from models_registry.models import Grade

    def make(**scan) -> Grade:
        grade = request_grade(actor=author, project=project, image=make_scan(**scan))
        run_grade(grade.pk)
        return Grade.objects.select_related("image", "prediction", "model", "project").get(pk=grade.pk)

    return make
