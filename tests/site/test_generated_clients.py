"""Clients that two generators make of the OpenAPI document, at work against a live site. `make test-clients` runs this: the
generators are fetched, and they take longer than the suite has time for."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from images.models import Image
from mediscan_site.front.schema_api import OneForAll
from models_registry.grades.worker import run_grade
from models_registry.models import Feedback, Grade
from tests.conftest import PASSWORD, PATIENCE_S, scan_bytes
from tests.models_registry.conftest import deployed, make_version, snapshot  # noqa: F401  # fixtures

EXAMPLES = Path(settings.BASE_DIR) / "docs" / "examples" / "clients"
CLIENTS = ("with_openapi_python_client.py", "with_openapi_generator.py")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not os.environ.get("MEDISCAN_TEST_CLIENTS"), reason="make test-clients makes the clients"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Both clients, made as the example makes them."""
    folder = tmp_path_factory.mktemp("clients")
    schema = folder / "schema.json"
    schema.write_text(json.dumps(OneForAll().get_schema()))
    done = subprocess.run([EXAMPLES / "generate.sh", schema, folder], capture_output=True, text=True, check=False)
    if not (folder / "venv" / "bin" / "openapi-generator-cli").exists():
        pytest.skip(f"the generators cannot be installed here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def run(made: Path, *command: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [made / "venv" / "bin" / "python", *command],
        env={"PYTHONPATH": f"{made}:{made / 'generated'}", "PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("package", ["mediscan_client", "mediscan_generated"])
def test_every_module_of_the_client_can_be_imported(made, package):
    walk = "import importlib, pkgutil, sys; package = importlib.import_module(sys.argv[1])\n"
    walk += "names = [m.name for m in pkgutil.walk_packages(package.__path__, sys.argv[1] + '.')]\n"
    walk += "[importlib.import_module(name) for name in names]; print(len(names))"
    done = run(made, "-c", walk, package)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("example", CLIENTS)
def test_the_example_logs_in_uploads_lists_grades_and_sends_feedback(
    made,
    example,
    live_server,
    author,
    project,
    tmp_path,
    monkeypatch,
):
    from mediscan_site.core import work

    monkeypatch.setattr(work, "send", lambda task, pk: run_grade(pk))
    (tmp_path / "scan.jpg").write_bytes(scan_bytes(1))
    env = {"URL": live_server.url, "NAME": author.username, "PASSWORD": PASSWORD, "PROJECT": str(project.pk)}
    done = run(made, EXAMPLES / example, tmp_path / "scan.jpg", **env)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    scan, grade, feedback = Image.objects.get(), Grade.objects.get(), Feedback.objects.get()
    assert done.stdout.splitlines() == [
        f"{scan.code}: stored, hold ''",
        "1 scans on the first page",
        f"{grade.prediction.name}, answer, reasons []",
        f"feedback {feedback.pk}",
    ]
