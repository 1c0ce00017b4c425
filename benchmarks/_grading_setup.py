"""A site with one deployed version, for `benchmarks.grading`: run in the checkout whose site it is, which may be an older one.

python _grading_setup.py FOLDER            two bundles, an administrator's token and a project's key go into FOLDER
python _grading_setup.py FOLDER --onto     the same, with the bundles that are there
python _grading_setup.py FOLDER --project=N   one bundle, deployed in a project that is there (`benchmarks.scale`)
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import django


def main() -> None:
    folder = Path(sys.argv[1])
    django.setup()
    from rest_framework_simplejwt.settings import api_settings
    from rest_framework_simplejwt.tokens import AccessToken

    from images.models import Project
    from images.services import create_project
    from mediscan_site.core.models import User

    admin = User(username="bench", email="bench@hospital.example", role="admin", is_staff=True, is_superuser=True)
    admin.set_password("correct horse battery staple")
    admin.save()
    if (given := sys.argv[-1]).startswith("--project="):
        project = Project.objects.get(pk=given.partition("=")[2])
        model = _registered(admin, project, folder, 0, fresh=True)
        _services("deployments").deploy(actor=admin, model=model, override_reason="its speed is measured")
        return
    project = create_project(actor=admin, name="bench", classes=["NORMAL", "OPACITY"], modality="X-ray")
    models = [_registered(admin, project, folder, number, fresh="--onto" not in sys.argv) for number in (0, 1)]
    _services("deployments").deploy(actor=admin, model=models[0], override_reason="its speed is measured")
    token = AccessToken.for_user(admin)
    token.set_exp(lifetime=api_settings.REFRESH_TOKEN_LIFETIME)
    made = {"token": str(token), "project": project.pk, "models": [model.pk for model in models]}
    (folder / "made.json").write_text(json.dumps(made))


def _services(step: str) -> Any:
    """The services of a step of the registry, where this checkout keeps them."""
    try:
        return importlib.import_module(f"models_registry.{step}.services")
    except ImportError:
        return importlib.import_module(f"models_registry.services.{step}")


def _registered(admin: Any, project: Any, folder: Path, number: int, *, fresh: bool) -> Any:
    from labeling.models import Snapshot

    classes = list(project.class_rows.order_by("pk"))
    path = folder / f"bundle{number}"
    if fresh:
        from benchmarks._grading_network import bundle

        path.write_bytes(bundle([(row.pk, row.name) for row in classes], seed=number))
    snapshot = Snapshot.objects.create(
        project=project,
        content_hash=f"{number}" * 64,
        grouping="patient",
        classes=[],
        class_counts={},
        created_by=admin,
    )
    model = _services("versions").register_version(
        actor=admin, project=project, snapshot=snapshot, architecture="resnet_compact", bundle=path.read_bytes(),
        source=f"bench-{number}", classes=[row.pk for row in classes], calibration={}, card={}, metrics={},
    )  # fmt: skip
    if fresh:
        from models_registry.versions.exporting import make_missing

        make_missing(model.pk)
        _servable(model, folder / f"mlflow{number}")
    return model


def _servable(model: Any, target: Path) -> None:
    """The version as `mlflow models serve` takes it."""
    from mediscan_site.core.storage import blobs
    from models_registry.book import servable

    for name, content in servable.files(model, blobs.read(model.bundle)).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
