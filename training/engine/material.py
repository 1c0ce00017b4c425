"""What a version learns its own limits from: scans, what its networks read from them, and how much of that may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models_registry.inference.architectures import restored
from models_registry.inference.bundle import split_members
from models_registry.inference.poses import AS_IT_IS
from models_registry.inference.preprocess import Pixels
from models_registry.inference.runtimes import Eager

from .config import TrainConfig
from .data import Labels, TrainData
from .pictures import Pictures, at_size
from .report import FitResult

Features = Callable[[Pixels], npt.NDArray[np.float32]]

MIN_TRAINING: Final = 100
MIN_VALIDATION: Final = 10
# Pictures that pass through the networks for it, at most; and as a share of those that the training passes through.
MOST_POINTS: Final = 3000
SHARE_OF_TRAINING: Final = 0.05


@dataclass(frozen=True)
class Material:
    """`Pixels` as the network sees them, which are read some hundred at a time, and the class (N,) of each training one; `features`
    gives what the networks read from them. `mirrored`: whether a mirror image is still the same kind of scan; `any_angle`: whether
    a turned one is; `colour`: whether what is seen are colours; `equalised`: whether its levels are equalised. `points`: about how
    many pictures may pass through the networks. `smallest_side`: in pixels, of the scans as they came in; 0: not known."""

    train: Pictures
    labels: Labels
    val: Pictures
    features: Features
    mirrored: bool
    points: int = MOST_POINTS
    smallest_side: int = 0
    any_angle: bool = False
    colour: bool = False
    equalised: bool = False


def points_for(scans: int, epochs: int) -> int:
    """How many pictures may pass: training passes each scan in every epoch, there and back, which takes about three times as
    long as there alone."""
    return int(min(MOST_POINTS, max(2 * scans, SHARE_OF_TRAINING * 3 * scans * epochs)))


def material(
    result: FitResult, data: TrainData, config: TrainConfig, smallest_side: int = 0, device: str = "cpu"
) -> Material:
    """What a finished run has to learn its limits from. Features are those that serve: of the scan as it is, from every network
    of the run."""
    states = split_members(result.state_dict, result.members)
    networks = [restored(config.architecture, data.n_classes, state, result.preprocess.channels) for state in states]
    ready = [network.to(device).eval() for network in networks]
    # Mirror images have no part in features.
    poses = config.poses if config.turned_tta else AS_IT_IS
    eager = Eager(ready, result.preprocess, poses=poses, device=device)
    return Material(
        at_size(data.train_tiles, config.image_size),
        data.train_labels,
        at_size(data.val_tiles, config.image_size),
        lambda pixels: eager.run(pixels).features,
        config.allow_flips,
        points_for(len(data.train_tiles), config.epochs),
        smallest_side,
        config.any_angle,
        result.preprocess.look.is_colour,
        result.preprocess.look.equalises,
    )


def why_not(material: Material) -> str:
    """Why nothing can be said of limits; empty where it can."""
    for pixels, least, name in (
        (material.train, MIN_TRAINING, "training"),
        (material.val, MIN_VALIDATION, "validation"),
    ):
        if len(pixels) < least:
            return f"only {len(pixels)} {name} scans, at least {least} are needed to tell what a scan must look like"
    return ""
