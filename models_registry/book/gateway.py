"""MLflow, the laboratory book: the only module that imports it.

The database is the truth; what is written here is for people who like MLflow's pages. Every call either works or
raises MlflowAway within seconds, so callers carry on without it. Artifacts are plain files: no flavor, no pickle, and
nothing is ever read back into the site.
"""

import fcntl
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from PIL import Image as Pillow

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

    from images.models import Project

P = ParamSpec("P")
R = TypeVar("R")

CHAMPION: Final = "champion"
CONNECT_TIMEOUT_S: Final = 1.0
UPGRADE_TIMEOUT_S: Final = 120
# Read by MLflow when it is imported or called: a dead server must not hold a worker (its own default: minutes).
ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
}
_ARTIFACT_PATH: Final = re.compile(r"[\w-]+(\.[\w-]+)*(/[\w-]+(\.[\w-]+)*)*", re.ASCII)
_METRIC_NAME: Final = re.compile(r"[^\w\-./ ]")
_MAX_PARAM: Final = 500
_MAX_DIGEST: Final = 36

logger = logging.getLogger(__name__)


class MlflowAway(Exception):
    """MLflow did not take the entry. Nothing else is wrong: carry on, and let the mirror task catch up."""


def _tolerant(function: Callable[P, R]) -> Callable[P, R]:
    """Turns whatever MLflow, its database or the network raise into MlflowAway."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except MlflowAway:
            raise
        except Exception as error:
            # Only the kind of error: a driver's message may carry the password of the address.
            raise MlflowAway(
                f"MLflow did not answer as expected in {function.__name__} ({type(error).__name__})."
            ) from error

    return call


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@_tolerant
def ensure_store() -> None:
    """Makes or upgrades the embedded store, once per MLflow version: several first users at once would break it; see
    findings/mlflow_store_is_created_by_one_process_only.sh.

    A server looks after its own database.
    """
    uri = settings.MLFLOW_TRACKING_URI
    if not uri.startswith("sqlite:"):
        return
    marker: Path = settings.DATA_DIR / "mlflow-store.txt"
    wanted = f"{installed_version('mlflow')} {uri}\n"
    if _marked(marker, wanted):
        return
    with _locked(settings.DATA_DIR / "mlflow-store.lock"):
        if not _marked(marker, wanted):
            command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
            subprocess.run(  # noqa: S603 - our own interpreter with our own setting
                command, check=True, capture_output=True, timeout=UPGRADE_TIMEOUT_S, env={**os.environ, **ENVIRONMENT}
            )
            marker.write_text(wanted)


def _marked(marker: Path, wanted: str) -> bool:
    database = Path(settings.MLFLOW_TRACKING_URI.removeprefix("sqlite:///"))
    return marker.exists() and marker.read_text() == wanted and database.exists()


def _refuse_dead_server(uri: str) -> None:
    """A quick look whether anything listens; MLflow's own client would try for much longer."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return
    try:
        socket.create_connection((parts.hostname, parts.port or 443), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise MlflowAway(f"No MLflow server answers at {parts.hostname}.") from error


def _client() -> "MlflowClient":
    uri = settings.MLFLOW_TRACKING_URI
    if not uri:
        # MLflow would take this to mean a database of its own in the current folder.
        raise MlflowAway("No laboratory book is kept: MLFLOW_TRACKING_URI is empty.")
    _refuse_dead_server(uri)
    ensure_store()
    os.environ.update(ENVIRONMENT)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def book_name(project: "Project") -> str:
    """Name of the experiment and of the registered model. The key, not the name: projects may be renamed."""
    return f"mediscan-project-{project.pk}"


def _experiment(client: "MlflowClient", project: "Project") -> str:
    name = book_name(project)
    known = client.get_experiment_by_name(name)
    if known:
        return str(known.experiment_id)
    embedded = settings.MLFLOW_TRACKING_URI.startswith("sqlite:")
    location = (settings.MLFLOW_ARTIFACTS / name).as_uri() if embedded else None
    return str(client.create_experiment(name, artifact_location=location, tags={"project": project.name}))


@_tolerant
def start_run(project: "Project", run_code: str, params: Mapping[str, object]) -> str:
    """Opens the book's page of one training and returns its run id. The same code gives the same page."""
    client = _client()
    experiment = _experiment(client, project)
    for run in client.search_runs([experiment], f"tags.mediscan_run = '{run_code}'", max_results=1):
        return str(run.info.run_id)
    run_id = str(client.create_run(experiment, run_name=run_code, tags={"mediscan_run": run_code}).info.run_id)
    for key, value in params.items():
        client.log_param(run_id, _METRIC_NAME.sub("_", key), str(value)[:_MAX_PARAM])
    return run_id


def _log_metrics(client: "MlflowClient", run_id: str, metrics: Mapping[str, object], step: int) -> None:
    from mlflow.entities import Metric

    numbers = {k: float(v) for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    entries = [Metric(_METRIC_NAME.sub("_", key), value, 0, step) for key, value in numbers.items()]
    client.log_batch(run_id, metrics=entries, synchronous=True)


@_tolerant
def log_epoch(run_id: str, epoch: int, metrics: Mapping[str, object]) -> None:
    """What one epoch measured; entries that are not numbers are left out. Repeating is harmless: time and step are the key."""
    _log_metrics(_client(), run_id, metrics, epoch)


@dataclass(frozen=True)
class DatasetNote:
    """What the book says about the scans that a run was made from: names, digests and numbers, never a picture or a patient."""

    name: str
    content_hash: str
    test_hash: str
    profile: Mapping[str, Any]


@_tolerant
def log_dataset(run_id: str, note: DatasetNote) -> None:
    """The run's input. Repeating is harmless: name and digest are the key."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {"dataset": note.name, "content_hash": note.content_hash, "test_hash": note.test_hash}
    dataset = Dataset(
        name=note.name,
        # MLflow keeps no longer one; the whole digest is in the source.
        digest=note.content_hash[:_MAX_DIGEST],
        source_type="mediscan",
        source=json.dumps(source),
        profile=json.dumps(note.profile),
    )
    _client().log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


@_tolerant
def log_final(
    run_id: str, metrics: Mapping[str, object], figures: Mapping[str, "Figure"], files: Mapping[str, bytes]
) -> None:
    """The end of a training: test metrics, figures (name → Figure) and files (path below `model` → bytes); closes the run."""
    client = _client()
    _log_metrics(client, run_id, metrics, 0)
    for name, figure in figures.items():
        client.log_figure(run_id, figure, f"figures/{_artifact_path(f'{name}.png')}")
    if files:
        _log_files(client, run_id, files)
    client.set_terminated(run_id, "FINISHED")


@_tolerant
def log_picture(run_id: str, name: str, picture: bytes) -> None:
    """A PNG among the run's figures. The artifact store is not encrypted: nothing of a patient, unless the site says so."""
    with Pillow.open(io.BytesIO(picture), formats=("PNG",)) as image:
        _client().log_image(run_id, image, f"figures/{_artifact_path(f'{name}.png')}")


def _artifact_path(name: str) -> str:
    if not _ARTIFACT_PATH.fullmatch(name):
        raise MlflowAway(
            f"'{name}' is not a valid artifact name: use letters, digits, _, - and dots inside, / between."
        )
    return name


def _log_files(client: "MlflowClient", run_id: str, files: Mapping[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="mlflow-") as folder:
        for name, data in files.items():
            path = Path(folder) / _artifact_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        client.log_artifacts(run_id, folder, "model")


@_tolerant
def end_run(run_id: str, *, failed: bool) -> None:
    """Closes the page of a training that made no model: failed, or cancelled by a person."""
    _client().set_terminated(run_id, "FAILED" if failed else "KILLED")


@_tolerant
def register(run_id: str, project: "Project", *, model_code: str, tags: Mapping[str, str]) -> str:
    """The version number under which the registry lists the bundle of this run. Calling it again gives the same version."""
    client = _client()
    name = book_name(project)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, tags={"project": project.name})
    for known in client.search_model_versions(f"name = '{name}'"):
        if known.tags.get("mediscan_model") == model_code:
            return str(known.version)
    source = f"{client.get_run(run_id).info.artifact_uri}/model"
    every = {"mediscan_model": model_code, **tags}
    return str(
        client.create_model_version(name, source=source, run_id=run_id, tags=every, await_creation_for=10).version
    )


@_tolerant
def set_champion(project: "Project", version: str) -> None:
    """Points the alias `champion` to the version that the project serves."""
    client = _client()
    name = book_name(project)
    aliases: Mapping[str, object] = client.get_registered_model(name).aliases
    if str(aliases.get(CHAMPION, "")) != version:
        client.set_registered_model_alias(name, CHAMPION, version)


def log_epochs(run_id: str, epochs: Sequence[Mapping[str, object]]) -> None:
    """Epochs that a run measured while MLflow was away; each entry has its number under `epoch`."""
    for entry in epochs:
        log_epoch(run_id, int(str(entry["epoch"])), {key: value for key, value in entry.items() if key != "epoch"})
