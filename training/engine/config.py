"""What a training run is told: one frozen, validated configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models_registry.inference.looks import Look
from models_registry.inference.names import (
    ARCHITECTURES,
    COLOUR,
    GREY,
    LEVELS,
    LEVELS_KEPT,
    MIN_SIZE,
    SHAPES,
    SQUASH,
    VIEW_SIDE,
    WINDOWS,
)
from models_registry.inference.poses import Poses

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
    levels: str = field(
        default=LEVELS_KEPT,
        metadata=described(
            "Grey levels",
            "Kept as they are, or equalised in each scan, so that its exposure tells nothing: for X-rays of several hospitals.",
            choices=LEVELS,
            asked=PAGE,
            planned=False,
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
    mixup: float = field(
        default=0.0,
        metadata=described(
            "Mixup",
            "How much two training scans are blended, with both their labels: alpha of the Beta distribution. 0: not at all.",
            low=0,
            high=2,
        ),
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
    turned_tta: bool = field(
        default=False,
        metadata=described(
            "Turned answers", "Average every answer over the scan at each right angle, with any_angle alone."
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
    self_supervised: int = field(
        default=0,
        metadata=described(
            "Epochs without labels",
            "Before the others: learns to see from the training scans and the project's unlabelled ones, whatever they show. "
            "0: none.",
            low=0,
            high=500,
            asked=PAGE,
            planned=False,
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
        if self.self_supervised and self.pretrained:
            raise ConfigError(
                "self_supervised", "must be 0 with pre-trained weights: choose pretrained=false, or leave it out"
            )
        if self.folds == 1:
            raise ConfigError("folds", "must be 0 for none, or 2 to 10: one fold leaves nothing to learn from")
        self._check_look()
        if self.flip_tta and not self.allow_flips:
            raise ConfigError("flip_tta", "must be false unless allow_flips is true")
        if self.turned_tta and not self.any_angle:
            raise ConfigError("turned_tta", "must be false unless any_angle is true")

    def _check_look(self) -> None:
        if self.levels != LEVELS_KEPT and self.sees != GREY:
            raise ConfigError("levels", f"{self.levels} is for sees={GREY} alone, and it is {self.sees}")
        if self.windows and self.sees != WINDOWS:
            raise ConfigError("windows", f"are for sees={WINDOWS} alone, and it is {self.sees}")
        try:
            self.look  # noqa: B018 - it checks the windows
        except ValueError as error:
            raise ConfigError("windows", str(error)) from error

    @property
    def look(self) -> Look:
        """What the network is given of a scan."""
        return Look.of(self.sees, self.shape, self.windows, self.image_size, self.levels)

    @property
    def poses(self) -> Poses:
        """Over which every answer is averaged."""
        return Poses(mirrored=self.flip_tta, turned=self.turned_tta)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What names this run in its checkpoints. Without later options that change nothing: it goes on after an upgrade."""
        return {
            name: value for name, value in asdict(self).items() if name not in _LATER or value != OPTIONS[name].default
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainConfig:
        """Inverse of `to_dict`; missing fields take their defaults, unknown ones are an error."""
        unknown = sorted(set(data) - set(OPTIONS))
        if unknown:
            raise ConfigError(unknown[0], "is not a training setting")
        return cls(**data)


OPTIONS = options_of(TrainConfig)
_LATER = ("levels", "mixup", "turned_tta")
# What whoever starts a run may name.
ASKABLE = {name: option for name, option in OPTIONS.items() if option.asked}
