"""Optimiser groups, the one-cycle schedule and the weight average."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from models_registry.inference.architectures import HEAD

WARM_SHARE = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4
# Share of the epochs in which the learning rate comes down when a run is ended early.
COOL_SHARE = 0.15
# Share of the head's learning rate for the stages of a network that already knows something, from the last one down; the
# stem learns with the first stage (Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018).
DISCRIMINATIVE = (0.6, 0.35, 0.2, 0.1)
# Share of the steps after which all stages of such a network are open: when the learning rate has reached its peak.
OPEN_SHARE = WARM_SHARE
STEM = ("conv1", "bn1")


def one_cycle(step: int, total: int, peak: float) -> float:
    """The learning rate of `step` (0..total-1): cosine up from peak/25, cosine down to peak/250,000.

    Smith & Topin, "Super-Convergence", 2018, in the two-phase form of `torch.optim.lr_scheduler.OneCycleLR`.
    """
    start, end = peak / START_DIVISOR, _lowest(peak)
    warm = WARM_SHARE * total - 1
    if step <= warm:
        return _cosine(start, peak, step / warm if warm > 0 else 1.0)
    return _cosine(peak, end, (step - warm) / (total - 1 - warm) if total - 1 > warm else 1.0)


def cooled(step: int, steps: int, rate: float, peak: float) -> float:
    """The learning rate of `step` (0..steps-1) of a schedule that was left at `rate`: cosine down to where
    `one_cycle` ends."""
    return _cosine(rate, _lowest(peak), step / (steps - 1) if steps > 1 else 1.0)


def _lowest(peak: float) -> float:
    return peak / START_DIVISOR / END_DIVISOR


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def stages(network: nn.Module) -> list[tuple[str, ...]]:
    """The parts of a ResNet in the order in which they open, by their names: the head alone, then from the last stage
    down to the first one with the stem."""
    layers = [name for name, _ in network.named_children() if name.startswith("layer")]
    return [(HEAD,), *((name,) for name in reversed(layers[1:])), (layers[0], *STEM)]


def open_stages(step: int, total: int, number: int) -> int:
    """How many of `number` stages learn at `step` of `total`: two at first, all from `OPEN_SHARE` on.

    Gradual unfreezing (Howard & Ruder 2018): the stage nearest to the head knows least that is of use here, so it opens
    first; the deeper ones follow when the error that reaches them means something.
    """
    done = step / max(OPEN_SHARE * total, 1)
    return min(number, 2 + int(done * (number - 2)))


def _shares(network: nn.Module) -> dict[str, float]:
    """Part of the network to its share of the learning rate."""
    head, *deeper = stages(network)
    shares = dict.fromkeys(head, 1.0)
    for depth, names in enumerate(deeper):
        shares.update(dict.fromkeys(names, DISCRIMINATIVE[min(depth, len(DISCRIMINATIVE) - 1)]))
    return shares


def optimiser_for(network: nn.Module, weight_decay: float, *, discriminative: bool) -> torch.optim.AdamW:
    """AdamW over all parameters; norms and biases do not decay; each group carries its `lr_share`.

    A parameter that is closed has no gradient, and is passed over.
    """
    shares = _shares(network) if discriminative else {}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        share = shares.get(name.split(".", 1)[0], 1.0)
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr": 0.0, "lr_share": share, "weight_decay": decay}
            for (share, decay), members in groups.items()
        ],
        fused=True,
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Give every group its share of `value`."""
    for group in optimiser.param_groups:
        group["lr"] = value * group["lr_share"]


class Average:
    """Exponential moving average of a network's state, batch-norm statistics included.

    The decay ramps up as (1 + step) / (10 + step): a fixed high decay would keep the random start in a short run.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live: dict[str, Tensor] = {name: value.detach() for name, value in network.state_dict().items()}
        self._mean = {name: value.clone() for name, value in self._live.items()}
        self.follow()

    def follow(self, parts: Collection[str] | None = None) -> None:
        """From now on blend in only these parts of the network (None: all of it). The others do not change, so that their
        average is what they are."""
        names = [name for name in self._live if parts is None or name.split(".", 1)[0] in parts]
        moving = [name for name in names if self._live[name].is_floating_point()]
        self._pairs = [self._mean[name] for name in moving], [self._live[name] for name in moving]
        self._counts = [name for name in names if name not in moving]

    def update(self, step: int) -> None:
        """Blend in the network as it is after `step` (counted from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(*self._pairs, 1 - decay)

    @property
    def moving(self) -> list[Tensor]:
        """What `update` changes."""
        return self._pairs[0]

    @property
    def state(self) -> dict[str, Tensor]:
        """The averaged state; it changes with the next `update`."""
        for name in self._counts:
            self._mean[name].copy_(self._live[name])
        return self._mean

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from an earlier `state`."""
        for name, value in state.items():
            self._mean[name].copy_(value)
