"""A browser without JavaScript: Django's test client, signed in."""

import pytest
from django.test import Client

from tests.models_registry.conftest import (  # noqa: F401 -- fixtures of this folder too
    _no_predictor_stays_in_memory,
    answered,
    deployed,
    make_version,
    snapshot,
)


def texts(answer) -> str:
    return str(answer.content.decode())


@pytest.fixture
def browser():
    """`browser()` is signed out, `browser(user)` signed in. A failing view raises, so no test takes a 500 for an answer."""

    def open_browser(user=None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return open_browser


@pytest.fixture
def made_run(project, admin, snapshot):  # noqa: F811 -- the fixture lent above
    """A training run as the worker leaves it after that many epochs."""
    from training.models import EpochMetrics, TrainingRun

    def make(*, status: str = "running", epochs: int = 3, **columns) -> TrainingRun:
        config = {"architecture": "resnet18", "initialisation_note": "From scratch, as asked.", "epochs": 8}
        run = TrainingRun.objects.create(
            project=project, snapshot=snapshot, created_by=admin, config=config, status=status, progress=0.4, **columns
        )
        for epoch in range(1, epochs + 1):
            numbers = {"train_loss": 1 / epoch, "val_loss": 1.2 / epoch, "val_balanced_accuracy": 0.5 + epoch / 10}
            numbers |= {
                "val_auroc": 0.9,
                "val_auroc_low": 0.8123,
                "val_auroc_high": 0.9765,
                "note": "begun again" * (epoch == 2),
            }
            EpochMetrics.objects.create(run=run, epoch=epoch, phase="full", metrics=numbers)
        return run

    return make
