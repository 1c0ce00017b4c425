"""Small tiles, networks and bundles that the engine's tests are made of."""

import numpy as np
import pytest
from torch import Tensor

from models_registry.inference.architectures import COMPACT
from models_registry.inference.bundle import ClassRef, Manifest, pack, package_versions
from models_registry.inference.names import TILE_SIDE
from models_registry.inference.preprocess import Preprocess, Tiles
from models_registry.statistics.calibration import Calibration, Referral
from training.engine.config import TrainConfig
from training.engine.data import Labels, TrainData
from training.engine.setup import initial_network

SIZE = 32


def make_tiles(n: int, n_classes: int = 2, seed: int = 0) -> tuple[Tiles, Labels]:
    """Noise with a bright square whose place tells the class; labels go round."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(40, 120, (n, TILE_SIDE, TILE_SIDE)).astype(np.uint8)
    labels = np.arange(n, dtype=np.int64) % n_classes
    for tile, label in zip(tiles, labels, strict=True):
        start = 20 + 70 * int(label)
        tile[start : start + 70, start : start + 70] = 230
    return tiles, labels


def make_data(n_train: int = 16, n_val: int = 8, n_classes: int = 2) -> TrainData:
    train, val = make_tiles(n_train, n_classes), make_tiles(n_val, n_classes, seed=1)
    return TrainData(*train, *val, n_classes)


def tiny_config(**changes) -> TrainConfig:
    return TrainConfig(
        **{"architecture": COMPACT, "epochs": 2, "image_size": SIZE, "batch_size": 8, "learning_rate": 1e-3, **changes}
    )


def make_manifest(n_classes: int = 2, **changes) -> Manifest:
    values = {
        "architecture": COMPACT,
        "classes": tuple(ClassRef(10 + k, f"CLASS {k}") for k in range(n_classes)),
        "preprocess": Preprocess(SIZE, 0.5, 0.25, 1),
        "calibration": Calibration(1.5, 40),
        "referral": Referral(0.7, 0.9, 0.925, 40),
        "prevalence": (1 / n_classes,) * n_classes,
        "dataset_hash": "ab" * 32,
        "code_version": "0.1.0",
        "packages": package_versions(),
    }
    return Manifest(**{**values, **changes})


def make_bundle(n_classes: int = 2, seed: int = 0, **changes) -> bytes:
    manifest = make_manifest(n_classes, **changes)
    return pack(manifest, initial_network(manifest.architecture, n_classes, seed).state_dict())


def know_weights(patch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Stands for the weights file of the compact network; tests/training/engine/test_weights.py reads files for real."""
    state = {k: v for k, v in initial_network(COMPACT, 2, 99).state_dict().items() if not k.startswith("fc.")}
    patch.setattr("training.engine.setup.load_pretrained", lambda *_, **__: state)
    return state


__all__ = ["SIZE", "know_weights", "make_bundle", "make_data", "make_manifest", "make_tiles", "tiny_config"]
