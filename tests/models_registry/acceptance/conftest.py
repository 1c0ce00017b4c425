"""A version that learned from scans of one hospital, and scans of another one."""

import pytest

from models_registry.grades.worker import run_grade
from models_registry.models import Grade

HOME, AWAY = "Spital Quitten", "Klinik Nord"


@pytest.fixture
def learned(make_scan, make_version, colleague, admin, project):
    """A deployed version whose snapshot has scans of HOME, device "Alpha"."""
    from labeling.datasets.freezing import freeze_snapshot
    from labeling.reading.reviews import review_scan
    from models_registry.deployments.services import deploy

    for number, split in enumerate(("train", "val", "test")):
        for sick in (0, 1, 0, 1):
            seed = 1000 * (number + 1) + sick + 2 * number + 10 * len(project.images.all())
            image = make_scan(
                seed=seed,
                opacity=bool(sick),
                label=("NORMAL", "OPACITY")[sick],
                patient=f"home{seed}",
                split=split,
                institution=HOME,
                device="Alpha",
            )
            review_scan(actor=colleague, image=image, status="approved")
    model = make_version(on=freeze_snapshot(actor=admin, project=project, seed=0))
    deploy(actor=admin, model=model)
    return model


@pytest.fixture
def away(make_scan):
    """`away(12, read=True)`: scans of AWAY, labelled by the author or not read at all."""

    def make(count: int, *, read: bool = True, first: int = 5000, device: str = "Beta", institution: str = AWAY):
        return [
            make_scan(
                seed=first + number,
                opacity=bool(number % 2),
                label=("NORMAL", "OPACITY")[number % 2] if read else None,
                patient=f"away{first + number}",
                institution=institution,
                device=device,
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def run_all():
    """Every queued grade, by the worker's own function."""

    def run() -> int:
        keys = list(Grade.objects.filter(status="queued").values_list("pk", flat=True))
        for pk in keys:
            run_grade(pk)
        return len(keys)

    return run
