"""A version as a folder that `mlflow models serve` can run: its bundle, its seal, and the code that answers, as plain files.

Outside the trusted path: the site writes this folder into the laboratory book and never reads it back.
"""

import base64
import io
import json
import platform
from datetime import UTC
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from PIL import Image

from images.models import RESEARCH_USE
from mediscan_site.core.storage import ring
from models_registry.book import given
from models_registry.inference.looks import Look
from models_registry.models import ModelVersion

APP: Final = Path(__file__).parents[1]
# What answers with a bundle: the pure packages, and what MLflow loads.
CODE: Final = (
    "inference/*.py",
    "inference/knowing/*.py",
    "statistics/*.py",
    "book/__init__.py",
    "book/loader.py",
    "book/given.py",
)
PACKAGES: Final = ("mlflow", "torch", "torchvision", "numpy", "safetensors", "cryptography", "pillow")
EXAMPLE, SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"
INIT: Final = b'"""Of MediScan, only what is needed to answer with a bundle."""\n'


def files(model: ModelVersion, bundle: bytes) -> dict[str, bytes]:
    """Path in the folder → bytes."""
    return {
        "bundle.mediscan": bundle,
        "seal.json": _json(
            {
                "model": model.code,
                "bundle_sha256": model.bundle_sha256,
                "signature": model.bundle_signature,
                "public_key": base64.b64encode(ring.current().signing_public).decode("ascii"),
            }
        ),
        "code/models_registry/__init__.py": INIT,
        **{f"code/models_registry/{path.relative_to(APP)}": path.read_bytes() for path in _sources()},
        **_recipe(model),
        **({name: _json(example) for name, example in _examples(look).items()} if (look := _look(model)) else {}),
    }


def _sources() -> list[Path]:
    return [path for pattern in CODE for path in sorted(APP.glob(pattern))]


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _yaml(content: Any) -> bytes:
    return yaml.safe_dump(content, sort_keys=False).encode()


def _look(model: ModelVersion) -> Look | None:
    """What a version sees beyond tiles. Those may come as a table or as numbers: no signature of MLflow says so."""
    look = Look.from_dict(model.card.get("preprocess", {}))
    return look if look.needs_views else None


def _signature() -> dict[str, Any]:
    columns = [{"type": "string", "name": given.COLUMN, "required": True}]
    columns += [{"type": "double", "name": name, "required": False} for name in given.NUMBERS]
    return {
        "signature": {"inputs": json.dumps(columns), "outputs": None, "params": None},
        "saved_input_example_info": {
            "artifact_path": EXAMPLE,
            "type": "dataframe",
            "pandas_orient": "split",
            "serving_input_path": SERVING_EXAMPLE,
        },
    }


def _examples(look: Look) -> dict[str, Any]:
    """A picture of the kind that it reads: what is shown on it is a ramp."""
    row: dict[str, Any] = {}
    ramp = np.tile(np.arange(96, dtype=np.uint16), (64, 1))
    if look.windows:
        pixels = ramp * 32
        row = {given.SLOPE: 1.0, given.INTERCEPT: -1024.0, given.LOW: -160.0, given.HIGH: 240.0}
    else:
        pixels = np.stack([ramp * 2, ramp, 255 - ramp], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels if look.is_colour or look.windows else pixels[:, :, 0]).save(buffer, "PNG")
    row = {given.COLUMN: base64.b64encode(buffer.getvalue()).decode("ascii"), **row}
    table = {"columns": list(row), "data": [list(row.values())]}
    return {EXAMPLE: table, SERVING_EXAMPLE: {"dataframe_split": table}}


def _recipe(model: ModelVersion) -> dict[str, bytes]:
    """What MLflow reads: how to load the folder, and the packages that this site uses for it."""
    pins = [f"{name}=={installed(name)}" for name in PACKAGES]
    python = platform.python_version()
    flavour = {
        "loader_module": "models_registry.book.loader",
        "code": "code",
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "python_version": python,
    }
    return {
        "MLmodel": _yaml(
            {
                "flavors": {"python_function": flavour},
                "metadata": {"model": model.code, "bundle_sha256": model.bundle_sha256, "use": RESEARCH_USE},
                "mlflow_version": installed("mlflow"),
                "model_uuid": model.bundle_sha256[:32],
                "utc_time_created": model.training_date.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
                **(_signature() if _look(model) else {}),
            }
        ),
        "requirements.txt": "\n".join([*pins, ""]).encode(),
        "python_env.yaml": _yaml({"python": python, "dependencies": ["-r requirements.txt"]}),
        "conda.yaml": _yaml({"name": "mediscan", "dependencies": [f"python={python}", "pip", {"pip": pins}]}),
    }
