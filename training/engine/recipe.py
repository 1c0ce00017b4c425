"""The recipe of a run that is told nothing: by the number of scans, their size, the machine and whether weights are there."""

from __future__ import annotations

from typing import Any

from models_registry.inference.names import DETAIL, GREY, MIN_SIZE, SCRATCH_ONLY

from .config import TrainConfig

# Pictures of at most this many pixels a side are trained as they are: enlarging them adds work and nothing to see.
SMALL_PICTURE = 64
# Fewer small pictures than this are blended, and changed more: cross-validated on BreastMNIST (546) that is worth .009 of AUROC
# and .02 of balanced accuracy, on PneumoniaMNIST (4,700) nothing.
FEW, BLENDED, STRONGER = 1_000, 0.3, 1.5
# Of what the network for small things sees: the largest that the originals have, or the first.
DETAIL_SIDES = (128, 224, 320)
# The sides that a thorough run goes on to, in their order.
LARGER = (*DETAIL_SIDES, 448)
# Scans shown in one training from scratch, over all epochs.
SHOWN, SHOWN_SMALL, SHOWN_DETAIL = 9_000, 140_000, 14_000
MOST_EPOCHS = 60
# Strong augmentation takes many epochs to learn from; so few learn more from a weaker one.
SHORT, WEAKER = 8, 0.5
# Several networks where they are cheap. Work counts pictures of 28 x 28 pixels shown to the compact network: so much takes
# two or three minutes on two cores, of the network for small things three or four. More than three networks gain little for what
# each adds to every answer.
COMMITTEE_WORK, COMMITTEE_WORK_DETAIL, MOST_BY_DEFAULT = 300_000, 700_000, 3


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
    sees: str = GREY,
    any_angle: bool = False,
) -> TrainConfig:
    """The recipe of `architecture` for `n_train` scans: transfer learning where weights are there, else from scratch
    at a small size. Which architecture it is, is chosen elsewhere (`training.choosing`).

    `picture_side`: the usual side of the originals in pixels, None when it is not known or large. `image_size`: the
    side that was asked for, None to leave it to the recipe. `epochs`: how many it will be, None for as many as here. `sees` and
    `any_angle` are taken as they are.
    """
    side = image_size or picture_side
    small = side is not None and side <= SMALL_PICTURE
    on_cpu = device == "cpu"
    common: dict[str, Any] = {
        "architecture": architecture,
        "seed": seed,
        "allow_flips": allow_flips,
        # Over the four right angles the mean is as good as over their mirror images too, at half the cost (measured on cells).
        "flip_tta": allow_flips and not any_angle,
        "sees": sees,
        "any_angle": any_angle,
        "turned_tta": any_angle,
    }
    if weights_available:
        size = image_size or (128 if on_cpu else 224)
        return TrainConfig(pretrained=True, epochs=14, frozen_epochs=6, image_size=size, learning_rate=1e-3, **common)
    size = image_size or (
        max(MIN_SIZE, picture_side or 0) if small else _usual_size(architecture, picture_side, on_cpu)
    )
    shown = SHOWN_DETAIL if architecture == DETAIL else SHOWN
    usual = _epochs(n_train, SHOWN_SMALL if small else shown)
    common |= {"epochs": usual, "image_size": size, "members": _members(architecture, usual * n_train, size)}
    if small:
        short, few = (epochs or usual) <= SHORT, n_train < FEW
        common |= {"mixup": BLENDED} if few and not short else {}
        augment = WEAKER if short else STRONGER if few else 1.0
        return TrainConfig(batch_size=64, learning_rate=3e-3, ema_decay=0.995, augment=augment, **common)
    return TrainConfig(**common)


def _usual_size(architecture: str, picture_side: int | None, on_cpu: bool) -> int:  # noqa: FBT001 - positional here alone
    if architecture == DETAIL:
        shown = [side for side in DETAIL_SIDES if picture_side is None or side <= picture_side]
        return max(shown, default=DETAIL_SIDES[0])
    return 64 if on_cpu else 128


def larger_side(size: int, picture_side: int | None) -> int:
    """The side of a thorough run that would have `size` pixels, where the originals have so many."""
    return next((side for side in LARGER if side > size and (picture_side is None or side <= picture_side)), size)


def _members(architecture: str, shown: int, size: int) -> int:
    """Several networks rank and calibrate better than one (Lakshminarayanan et al., "Deep Ensembles", NeurIPS 2017); how
    many, follows from what one of them costs."""
    if architecture not in SCRATCH_ONLY:
        return 1
    # The stem of the network for small things halves the side.
    side, may = (size / 2, COMMITTEE_WORK_DETAIL) if architecture == DETAIL else (size, COMMITTEE_WORK)
    work = shown * (side / MIN_SIZE) ** 2
    return max(1, min(MOST_BY_DEFAULT, int(may // max(work, 1))))


def _epochs(n_train: int, shown: int) -> int:
    """Small sets need many passes, large ones few."""
    return max(4, min(MOST_EPOCHS, round(shown / max(n_train, 1))))
