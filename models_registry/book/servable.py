"""A version as a folder that `mlflow models serve` can run: its bundle, its seal, and the code that answers, as plain files.

Outside the trusted path: the site writes this folder into the laboratory book and never reads it back.
"""

import base64
import json
import platform
from datetime import UTC
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import yaml

from images.models import RESEARCH_USE
from mediscan_site.core.storage import ring
from models_registry.models import ModelVersion

APP: Final = Path(__file__).parents[1]
# What answers with a bundle: the pure packages, and what MLflow loads.
CODE: Final = ("inference/*.py", "inference/knowing/*.py", "statistics/*.py", "book/__init__.py", "book/loader.py")
PACKAGES: Final = ("mlflow", "torch", "torchvision", "numpy", "safetensors", "cryptography", "pillow")
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
    }


def _sources() -> list[Path]:
    return [path for pattern in CODE for path in sorted(APP.glob(pattern))]


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def _yaml(content: Any) -> bytes:
    return yaml.safe_dump(content, sort_keys=False).encode()


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
            }
        ),
        "requirements.txt": "\n".join([*pins, ""]).encode(),
        "python_env.yaml": _yaml({"python": python, "dependencies": ["-r requirements.txt"]}),
        "conda.yaml": _yaml({"name": "mediscan", "dependencies": [f"python={python}", "pip", {"pip": pins}]}),
    }
