"""Which network suits a run that does not name one: by the scans, their size, the machine, and the weights that are there."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from models_registry.inference.names import COLOUR, COMPACT, DETAIL, GREY, PRETRAINABLE

CPU: Final = "cpu"
# From this many training scans on, a larger network learns more than it costs, where there is a GPU to carry it.
MANY: Final = 2000
# The stem and the stages of torchvision's networks divide the side by 32: of a smaller picture less than 2 x 2 cells are left.
SMALLEST_FOR_DEEP: Final = 64
# What a CPU fine-tunes in minutes; the deeper ones take hours there, so they want to be named.
QUICK: Final = ("resnet18", "resnet34")


@dataclass(frozen=True)
class Machine:
    """`device` is cpu or cuda; `weights` are the architectures whose pre-trained weights are on this machine."""

    device: str
    weights: Collection[str]


@dataclass(frozen=True)
class Choice:
    """The network, and half a sentence that says why; empty when it was asked for."""

    architecture: str
    why: str = ""


def choose(
    machine: Machine,
    *,
    n_train: int,
    image_size: int | None,
    from_scratch: bool,
    only_pretrained: bool,
    sees: str = GREY,
) -> Choice:
    """`image_size`: the side in pixels that was asked for, or that the pictures have. `from_scratch` and `only_pretrained`:
    what the caller insists on, at most one of them. `sees`: what the network will be given of a scan."""
    if not from_scratch:
        if transfer := _transfer(machine, n_train, insist=only_pretrained, image_size=image_size):
            return transfer
        if only_pretrained:
            return Choice(PRETRAINABLE[0])
    return _scratch(machine, n_train, image_size, sees)


def _transfer(machine: Machine, n_train: int, *, insist: bool, image_size: int | None) -> Choice | None:
    if image_size is not None and image_size < SMALLEST_FOR_DEEP and not insist:
        return None
    if machine.device != CPU and n_train >= MANY and "resnet50" in machine.weights:
        return Choice("resnet50", f"{n_train} scans and a GPU carry it")
    wanted = PRETRAINABLE if insist or machine.device != CPU else QUICK
    name = next((name for name in wanted if name in machine.weights), None)
    return Choice(name, "the quickest network with weights on this machine") if name else None


def _scratch(machine: Machine, n_train: int, image_size: int | None, sees: str) -> Choice:
    if image_size is not None and image_size < SMALLEST_FOR_DEEP:
        return Choice(COMPACT, f"at {image_size} pixels a deeper network sees nothing")
    if sees == COLOUR and (machine.device == CPU or n_train < MANY):
        return Choice(DETAIL, "made for small things in scans in colour")
    if machine.device == CPU:
        return Choice(COMPACT, "made for machines without a GPU")
    if n_train < MANY:
        return Choice(COMPACT, f"{n_train} scans are few for a larger network")
    return Choice(PRETRAINABLE[0], f"{n_train} scans and a GPU carry it")
