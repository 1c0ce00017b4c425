"""What a training run is told: one frozen, validated configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models_registry.inference.names import ARCHITECTURES, COMPACT, MIN_SIZE


class ConfigError(ValueError):
    """A configuration value is not acceptable; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True)
class TrainConfig:
    """``epochs`` counts all passes, the ``frozen_epochs`` of a pre-trained network included.

    ``learning_rate`` is the peak of the one-cycle schedule for the head; deeper stages of a pre-trained network get a
    share of it. ``image_size`` is in pixels a side. ``coverage_target`` is the share of scans the model should answer.
    ``folds``: parts of a cross-validation for out-of-fold scores, 0 for none. ``members``: networks whose logits are
    averaged. ``patience``: epochs without a better validation AUROC after which the run stops, 0 to run all of them.
    """

    architecture: str = "resnet18"
    pretrained: bool = False
    epochs: int = 20
    seed: int = 0
    image_size: int = 64
    batch_size: int = 32
    learning_rate: float = 2e-3
    frozen_epochs: int = 0
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    ema_decay: float = 0.99
    augment: float = 0.6
    allow_flips: bool = False
    flip_tta: bool = False
    coverage_target: float = 0.9
    folds: int = 0
    members: int = 1
    patience: int = 0

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            _check_kind(name, kind, getattr(self, name))
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(name, f"must be between {low} and {high}, got {value}")
        self._check_combination()

    def _check_combination(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ConfigError("architecture", f"must be one of {', '.join(ARCHITECTURES)}, got {self.architecture!r}")
        if self.frozen_epochs and not self.pretrained:
            raise ConfigError(
                "frozen_epochs", "must be 0 without pre-trained weights: a frozen random backbone is blind"
            )
        if self.frozen_epochs > self.epochs:
            raise ConfigError("frozen_epochs", f"must not exceed epochs ({self.epochs}), got {self.frozen_epochs}")
        if self.folds == 1:
            raise ConfigError("folds", "must be 0 for none, or 2 to 10: one fold leaves nothing to learn from")
        if self.flip_tta and not self.allow_flips:
            raise ConfigError("flip_tta", "must be false unless allow_flips is true")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Inverse of ``to_dict``; missing fields take their defaults, unknown ones are an error."""
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise ConfigError(unknown[0], "is not a training setting")
        return cls(**data)


_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 500),
    "seed": (0, 2**31 - 1),
    "image_size": (MIN_SIZE, 256),
    "batch_size": (2, 512),
    "learning_rate": (1e-6, 1.0),
    "frozen_epochs": (0, 500),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.5),
    "ema_decay": (0, 0.99999),
    "augment": (0, 2),
    "coverage_target": (0, 1),
    "folds": (0, 10),
    "members": (1, 5),
    "patience": (0, 500),
}
_KINDS: dict[str, type] = {
    "architecture": str,
    **dict.fromkeys(("pretrained", "allow_flips", "flip_tta"), bool),
    **dict.fromkeys(("epochs", "seed", "image_size", "batch_size", "frozen_epochs"), int),
    **dict.fromkeys(("folds", "members", "patience"), int),
    **dict.fromkeys(
        ("learning_rate", "weight_decay", "label_smoothing", "ema_decay", "augment", "coverage_target"), float
    ),
}
_KIND_NAMES: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _check_kind(name: str, kind: type, value: object) -> None:
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
        raise ConfigError(name, f"must be {_KIND_NAMES[kind]}, got {value!r}")


# Pictures of at most this many pixels a side are trained as they are: enlarging them adds work and nothing to see.
SMALL_PICTURE = 64
# Scans shown in one training from scratch, over all epochs.
SHOWN, SHOWN_SMALL = 9_000, 140_000
MOST_EPOCHS = 60
# Strong augmentation takes many epochs to learn from; so few learn more from a weaker one.
SHORT, WEAKER = 8, 0.5
# Several networks where they are cheap. Work counts pictures of 28 x 28 pixels shown to the compact network: so much takes
# two or three minutes on two cores. More than three networks gain little for what each adds to every answer.
COMMITTEE_WORK, MOST_BY_DEFAULT = 300_000, 3


def default_config(
    n_train: int,
    weights_available: bool,  # noqa: FBT001 - the callers name it
    device: str = "cpu",
    *,
    architecture: str = "resnet18",
    seed: int = 0,
    allow_flips: bool = False,
    picture_side: int | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
) -> TrainConfig:
    """The recipe of ``architecture`` for ``n_train`` scans: transfer learning where weights are there, else from scratch
    at a small size. Which architecture it is, is chosen elsewhere (``training.choosing``).

    ``picture_side``: the usual side of the originals in pixels, None when it is not known or large. ``image_size``: the
    side that was asked for, None to leave it to the recipe. ``epochs``: how many it will be, None for as many as here.
    """
    side = image_size or picture_side
    small = side is not None and side <= SMALL_PICTURE
    on_cpu = device == "cpu"
    common: dict[str, Any] = {
        "architecture": architecture,
        "seed": seed,
        "allow_flips": allow_flips,
        "flip_tta": allow_flips,
    }
    if weights_available:
        size = image_size or (128 if on_cpu else 224)
        return TrainConfig(pretrained=True, epochs=14, frozen_epochs=6, image_size=size, learning_rate=1e-3, **common)
    size = image_size or (max(MIN_SIZE, picture_side or 0) if small else 64 if on_cpu else 128)
    usual = _epochs(n_train, SHOWN_SMALL if small else SHOWN)
    common |= {"epochs": usual, "image_size": size, "members": _members(architecture, usual * n_train, size)}
    if small:
        augment = WEAKER if (epochs or usual) <= SHORT else 1.0
        return TrainConfig(batch_size=64, learning_rate=3e-3, ema_decay=0.995, augment=augment, **common)
    return TrainConfig(**common)


def _members(architecture: str, shown: int, size: int) -> int:
    """Several networks rank and calibrate better than one (Lakshminarayanan et al., "Deep Ensembles", NeurIPS 2017); how
    many, follows from what one of them costs."""
    work = shown * (size / MIN_SIZE) ** 2
    return max(1, min(MOST_BY_DEFAULT, int(COMMITTEE_WORK // max(work, 1)))) if architecture == COMPACT else 1


def _epochs(n_train: int, shown: int) -> int:
    """Small sets need many passes, large ones few."""
    return max(4, min(MOST_EPOCHS, round(shown / max(n_train, 1))))
