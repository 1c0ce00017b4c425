"""What a training run is told: one frozen, validated configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models_registry.inference.looks import Look
from models_registry.inference.names import (
    ARCHITECTURES,
    COLOUR,
    COMPACT,
    GREY,
    MIN_SIZE,
    SHAPES,
    SQUASH,
    VIEW_SIDE,
    WINDOWS,
)

from .options import API, PAGE, described, options_of


class ConfigError(ValueError):
    """A configuration value is not acceptable; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True)
class TrainConfig:
    """The one list of the options of a training. Forms, serializers, the command `train`, the run's page and the bounds
    of every value follow from it; `docs/training.md` repeats it, and a test compares the two.

    What is true or false is asked for as auto, true or false.
    """

    architecture: str = field(
        default="resnet18",
        metadata=described("Architecture", "The network to train.", choices=ARCHITECTURES, asked=PAGE),
    )
    pretrained: bool = field(
        default=False,
        metadata=described(
            "Pre-trained weights", "Start from ImageNet weights: learns better from few scans.", asked=PAGE
        ),
    )
    epochs: int = field(
        default=20,
        metadata=described(
            "Epochs",
            "Passes over the training scans, those with a frozen backbone included.",
            low=1,
            high=500,
            asked=PAGE,
        ),
    )
    seed: int = field(
        default=0,
        metadata=described(
            "Seed",
            "Of the random numbers: the same seed, scans and options give the same weights.",
            low=0,
            high=2**31 - 1,
            asked=PAGE,
            planned=False,
        ),
    )
    image_size: int = field(
        default=64, metadata=described("Picture size", "Pixels a side.", low=MIN_SIZE, high=VIEW_SIDE, asked=PAGE)
    )
    sees: str = field(
        default=GREY,
        metadata=described(
            "What it sees",
            "Of each scan: its grey levels, its colours, or several ranges of its own values (windows), one a channel.",
            choices=(GREY, COLOUR, WINDOWS),
            asked=PAGE,
        ),
    )
    windows: str = field(
        default="",
        metadata=described(
            "Windows",
            "Centre and width of one to three ranges, as -600/1500, 40/400: Hounsfield units of a CT. With sees windows alone.",
            asked=PAGE,
        ),
    )
    shape: str = field(
        default=SQUASH,
        metadata=described(
            "Shape",
            "How a scan becomes the network's square: squashed, or at its own shape with a margin (letterbox).",
            choices=SHAPES,
            asked=PAGE,
        ),
    )
    batch_size: int = field(
        default=32, metadata=described("Batch size", "Scans in one step.", low=2, high=512, asked=API)
    )
    learning_rate: float = field(
        default=2e-3,
        metadata=described(
            "Learning rate",
            "Peak of the one-cycle schedule for the head; deeper stages of a pre-trained network get a share of it.",
            low=1e-6,
            high=1.0,
            asked=API,
        ),
    )
    frozen_epochs: int = field(
        default=0,
        metadata=described(
            "Frozen epochs",
            "Of these, the first ones, in which only the head learns on cached features.",
            low=0,
            high=500,
        ),
    )
    weight_decay: float = field(default=0.05, metadata=described("Weight decay", "Of AdamW.", low=0, high=1))
    label_smoothing: float = field(
        default=0.1,
        metadata=described("Label smoothing", "Share of the target that is spread over all classes.", low=0, high=0.5),
    )
    ema_decay: float = field(
        default=0.99,
        metadata=described(
            "Weight averaging", "Decay of the exponential average of the weights that serves.", low=0, high=0.99999
        ),
    )
    augment: float = field(
        default=0.6,
        metadata=described("Augmentation", "Strength of the random changes to each picture. 0: none.", low=0, high=2),
    )
    allow_flips: bool = field(
        default=False,
        metadata=described(
            "Mirroring", "Learn from mirror images too, where the project says that left and right do not matter."
        ),
    )
    any_angle: bool = field(
        default=False,
        metadata=described(
            "Any angle",
            "Learn from every rotation, where the project says that orientation does not matter (cells, skin, tissue).",
        ),
    )
    flip_tta: bool = field(
        default=False,
        metadata=described(
            "Mirrored answers", "Average every answer over the scan and its mirror image, with allow_flips alone."
        ),
    )
    coverage_target: float = field(
        default=0.9,
        metadata=described(
            "Coverage target", "Share of scans that the model should answer, as the project says.", low=0, high=1
        ),
    )
    folds: int = field(
        default=0,
        metadata=described(
            "Folds",
            "2 or more: a cross-validation by patient, which finds doubtful labels and calibrates on every scan. 0: none.",
            low=0,
            high=10,
            asked=PAGE,
        ),
    )
    members: int = field(
        default=1,
        metadata=described(
            "Networks",
            "Trained one after the other; their answers are averaged: often better, and that many times slower.",
            low=1,
            high=5,
            asked=PAGE,
        ),
    )
    patience: int = field(
        default=0,
        metadata=described(
            "Patience",
            "Stop after this many epochs without a gain in validation AUROC beyond its noise. 0: run all of them.",
            low=0,
            high=500,
            asked=PAGE,
        ),
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            if fault := option.fault(getattr(self, name)):
                raise ConfigError(name, fault)
        self._check_combination()

    def _check_combination(self) -> None:
        if self.frozen_epochs and not self.pretrained:
            raise ConfigError(
                "frozen_epochs", "must be 0 without pre-trained weights: a frozen random backbone is blind"
            )
        if self.frozen_epochs > self.epochs:
            raise ConfigError("frozen_epochs", f"must not exceed epochs ({self.epochs}), got {self.frozen_epochs}")
        if self.folds == 1:
            raise ConfigError("folds", "must be 0 for none, or 2 to 10: one fold leaves nothing to learn from")
        try:
            look = self.look
        except ValueError as error:
            raise ConfigError("windows", str(error)) from error
        if self.image_size > look.most_size:
            raise ConfigError("image_size", f"must be at most {look.most_size} for what it sees, got {self.image_size}")
        if self.flip_tta and not self.allow_flips:
            raise ConfigError("flip_tta", "must be false unless allow_flips is true")

    @property
    def look(self) -> Look:
        """What the network is given of a scan."""
        return Look.of(self.sees, self.shape, self.windows, self.image_size)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Inverse of `to_dict`; missing fields take their defaults, unknown ones are an error."""
        unknown = sorted(set(data) - set(OPTIONS))
        if unknown:
            raise ConfigError(unknown[0], "is not a training setting")
        return cls(**data)


OPTIONS = options_of(TrainConfig)
# What whoever starts a run may name.
ASKABLE = {name: option for name, option in OPTIONS.items() if option.asked}

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
    """The recipe of `architecture` for `n_train` scans: transfer learning where weights are there, else from scratch
    at a small size. Which architecture it is, is chosen elsewhere (`training.choosing`).

    `picture_side`: the usual side of the originals in pixels, None when it is not known or large. `image_size`: the
    side that was asked for, None to leave it to the recipe. `epochs`: how many it will be, None for as many as here.
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
