"""Runs in real processes: the child must see the test database and the test's folders, and meet a dead MLflow server."""

import os
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

ENGINES = {"sqlite3": "sqlite", "mysql": "mysql", "postgresql": "postgres"}
# Nothing listens on port 9 (discard): MLflow is away.
NO_MLFLOW = "http://127.0.0.1:9"
CPUS = "1"


def database_url() -> str:
    """The address of the test database this process is connected to."""
    found = connection.settings_dict
    scheme = ENGINES[found["ENGINE"].rsplit(".", 1)[1]]
    if scheme == "sqlite":
        return f"sqlite:///{found['NAME']}"
    login = f"{quote(found['USER'])}:{quote(found['PASSWORD'])}"
    port = f":{found['PORT']}" if found["PORT"] else ""
    return f"{scheme}://{login}@{found['HOST'] or 'localhost'}{port}/{found['NAME']}"


@pytest.fixture
def weights_folder(tmp_path, monkeypatch, settings):
    """The only place where weights are looked for, empty; and no GPU: what is chosen must not depend on the machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings.WEIGHTS_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def start(project, admin, bare_snapshot, weights_folder):
    def call(**wishes):
        from training.services import start_run
        from training.wishes import Wishes

        actor, target = wishes.pop("actor", admin), wishes.pop("project", project)
        snapshot = wishes.pop("snapshot") if "snapshot" in wishes else bare_snapshot()
        return start_run(actor=actor, project=target, snapshot=snapshot, wishes=Wishes.of(**wishes))

    return call


@pytest.fixture
def child_sees_the_test(transactional_db, monkeypatch):
    """The environment of child processes: this test's database, folders and keys, and an MLflow that does not answer."""
    for name, value in {
        "DJANGO_SETTINGS_MODULE": "mediscan_site.settings",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": "x7" * 40,
        "ALLOWED_HOSTS": "localhost",
        "MLFLOW_TRACKING_URI": NO_MLFLOW,
        "TRAINING_THREADS": CPUS,
        "TRAINING_CHECKPOINT_S": "0",
        "TRAINING_NICENESS": "0",
        "OMP_NUM_THREADS": CPUS,
        "LOG_LEVEL": "ERROR",
    }.items():
        monkeypatch.setenv(name, value)
    assert os.environ["MEDISCAN_KEYS_FILE"] == str(settings.KEYS_FILE)


@pytest.fixture
def tiny(child_sees_the_test, make_snapshot, admin, project):
    """A queued run that takes a few seconds: `tiny(epochs=2)`."""
    from training.services import start_run
    from training.wishes import Wishes

    snapshot = make_snapshot(6)

    def start(**wishes):
        asked = Wishes.of(**{"image_size": 32, "epochs": 2, "batch_size": 4, "pretrained": "false", **wishes})
        return start_run(actor=admin, project=project, snapshot=snapshot, wishes=asked)

    return start


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """What would have been sent to workers: (task, primary key)."""
    from mediscan_site.core import waking

    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(waking, "send_now", lambda task, pk: sent.append((task.name, pk)))
    yield sent


@pytest.fixture
def bare_snapshot(project, admin):
    """A data set of rows without files, quick to make, for what never opens a scan."""
    from images.models import Image
    from labeling.models import Label, Snapshot, SnapshotMember

    def make(per_side: int = 4, *, into=None, side: int = 900):
        target = into or project
        classes = list(target.class_rows.all())
        snapshot = Snapshot.objects.create(
            project=target,
            content_hash=f"{Snapshot.objects.count():064d}",
            grouping="patient",
            classes=[{"id": row.pk, "name": row.name} for row in classes],
            class_counts={},
            created_by=admin,
        )
        for split in ("train", "val", "test"):
            for number in range(per_side):
                row = classes[number % len(classes)]
                facts = {"width": side, "height": side, "size": 9, "image_format": "PNG", "split": split}
                image = Image.objects.create(project=target, file_name="scan.png", uploaded_by=admin, **facts)
                label = Label.objects.create(image=image, label_class=row, reader=admin, source=Label.Source.DOCTOR)
                SnapshotMember.objects.create(
                    snapshot=snapshot, image=image, label=label, label_class=row, split=split, group=f"scan:{image.pk}"
                )
        return snapshot

    return make


@pytest.fixture
def make_version(project, admin):
    """A version's row, without a bundle that could be loaded."""
    from mediscan_site.core.models import Blob
    from models_registry.models import ModelVersion

    def make(snapshot, **columns):
        number = ModelVersion.objects.count() + 1
        sizes = {"size": 1, "stored_size": 1, "sha256": "0" * 64, "stored_sha256": "0" * 64}
        blob = Blob.objects.create(path=f"none/{number}", content_type="x", key_id="none", **sizes)
        values = {
            "project": snapshot.project,
            "number": number,
            "architecture": "resnet34",
            "source": f"test-{number}",
            "classes": snapshot.classes,
            "card": {"training": {"params": {"image_size": 96}}},
            **columns,
        }
        return ModelVersion.objects.create(
            name="m", snapshot=snapshot, bundle=blob, bundle_sha256="0" * 64, created_by=admin, **values
        )

    return make
