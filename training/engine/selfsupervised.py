"""Learning to see before learning the classes: from the scans alone, without their labels.

SimSiam (Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021): two changed views of each scan, and the
network learns to foretell what it makes of one from what it makes of the other. It needs neither negative pairs nor large
batches nor a second network, so that a small network learns this way on a CPU. Only the gradient that is stopped at one side
keeps it from the trivial answer, the same for all scans; whether it kept it, is measured (`Learned.spread`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models_registry.inference.architectures import HEAD, Network, features

from .augment import Changes, augment
from .data import Labels, UnitInputs, batches, epoch_seed, generator
from .device import out_of_memory
from .pictures import Pictures
from .report import OutOfMemory, TrainingDiverged
from .schedule import one_cycle, optimiser_for, set_learning_rate
from .setting import Setting
from .sharing import Stopped, gradients
from .state import FULL_COST, Callbacks

# Of the random numbers, beside those of sampling (1) and augmentation (2).
ORDER_PURPOSE, VIEW_PURPOSE, HEAD_PURPOSE = 3, 4, 5
# Statistics of a batch stand between a scan and the trivial answer: small batches say too little.
LEAST_BATCH = 64
PROJECTED, BOTTLENECK = 256, 64
# Part of each side of a scan that a view shows, at least, and how strongly it is changed beside that.
LEAST_SHOWN, STRENGTH = 0.6, 1.0
# Spread of the answers, 1 where they fill all directions alike, below which all scans get the same one.
COLLAPSED = 0.1
# Two views of a scan go forwards and backwards.
VIEWS = 2


@dataclass(frozen=True)
class Learned:
    """`agreement`: the mean cosine between what is foretold of a view and what is made of it, in the last epoch. `spread`: how
    far the answers fill their space, 0..1."""

    scans: int
    epochs: int
    agreement: float
    spread: float

    @property
    def collapsed(self) -> bool:
        return self.spread < COLLAPSED

    def __str__(self) -> str:
        measured = f"agreement {self.agreement:.2f}, spread {self.spread:.2f}"
        told = f"{self.epochs} epochs without labels on {self.scans} scans: {measured}"
        return (
            f"{told}; all scans looked alike to it, so the network starts as if it had not" if self.collapsed else told
        )


class _Heads(nn.Module):
    """What is thrown away afterwards: a projector to the space in which views are compared, and a predictor in it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(width, PROJECTED, bias=False),
            nn.BatchNorm1d(PROJECTED),
            nn.ReLU(inplace=True),
            nn.Linear(PROJECTED, PROJECTED, bias=False),
            nn.BatchNorm1d(PROJECTED, affine=False),
        )
        self.predict = nn.Sequential(
            nn.Linear(PROJECTED, BOTTLENECK, bias=False),
            nn.BatchNorm1d(BOTTLENECK),
            nn.ReLU(inplace=True),
            nn.Linear(BOTTLENECK, PROJECTED),
        )


class _Inputs:
    """Training scans, then those without labels, as one."""

    def __init__(self, setting: Setting, unlabelled: Pictures | None) -> None:
        self._parts = [setting.inputs]
        if unlabelled is not None and len(unlabelled):
            self._parts.append(UnitInputs(unlabelled, setting.preprocess, setting.device))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def batch(self, index: Labels) -> Tensor:
        first = len(self._parts[0])
        wanted = [index[index < first], index[index >= first] - first]
        return torch.cat([part.batch(rows) for part, rows in zip(self._parts, wanted, strict=False) if len(rows)])


def digest(unlabelled: Pictures | None) -> str:
    """Names the scans without labels in a checkpoint's key; empty for none."""
    if unlabelled is None or not len(unlabelled):
        return ""
    found = hashlib.sha256()
    for start in range(0, len(unlabelled), LEAST_BATCH):
        found.update(np.asarray(unlabelled[start : start + LEAST_BATCH]).tobytes())
    return found.hexdigest()


def share(setting: Setting, unlabelled: Pictures | None) -> float:
    """The part of the run's work that this is, 0..1, for the progress alone."""
    n, val = len(setting.data.train_labels), len(setting.data.val_labels)
    total = n + (0 if unlabelled is None else len(unlabelled))
    own = VIEWS * FULL_COST * total * setting.config.self_supervised
    return own / (own + (FULL_COST * n + val) * setting.config.epochs)


def learn(network: Network, setting: Setting, unlabelled: Pictures | None, calls: Callbacks) -> Learned | None:
    """Teach `network` in place; None when it was stopped. What came to nothing leaves it as it was, and says so.

    The same network, scans, seed and number of threads give the same weights to the bit on a CPU. Raises `TrainingDiverged`
    or `OutOfMemory`.
    """
    before = {name: value.detach().clone() for name, value in network.state_dict().items()}
    try:
        learned = _learn(network, setting, _Inputs(setting, unlabelled), calls)
    except Stopped:
        return None
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise OutOfMemory(
            "There is not enough memory to learn without labels. Choose a smaller image_size, or self_supervised 0."
        ) from error
    if learned is None or learned.collapsed:
        network.load_state_dict(before)
    return learned


def _learn(network: Network, setting: Setting, inputs: _Inputs, calls: Callbacks) -> Learned | None:
    config, device = setting.config, setting.device
    network.to(device.name).to(memory_format=torch.channels_last).train()
    heads = _heads(network, setting).to(device.name).train()
    learner = nn.ModuleDict({"network": network, "heads": heads})
    optimiser = optimiser_for(learner, config.weight_decay, discriminative=False)
    statistics = [one for one in learner.buffers() if one.is_floating_point()]
    epochs, told = config.self_supervised, (0.0, 0.0)
    per_epoch = len(_plan(setting, len(inputs), 0))
    for epoch in range(epochs):
        noise = generator(config.seed, epoch, VIEW_PURPOSE, device.name, setting.group.rank)
        sums = torch.zeros(2, device=device.name)
        for done, batch in enumerate(_plan(setting, len(inputs), epoch)):
            step = epoch * per_epoch + done
            set_learning_rate(optimiser, one_cycle(step, epochs * per_epoch, config.learning_rate))
            optimiser.zero_grad(set_to_none=True)
            share = len(setting.group.shard(batch)) / len(batch)
            work = partial(_backward, network, heads, setting, inputs, setting.group.shard(batch), noise, share)
            figures = gradients(
                setting.group, work, 2, learner.parameters(), statistics, share, stop=calls.should_stop()
            )
            optimiser.step()
            sums += figures.to(sums.device)
            calls.on_progress((step + 1) / (epochs * per_epoch), f"epoch {epoch + 1} of {epochs} without labels")
        told = tuple((sums / per_epoch).tolist())
        if not all(map(math.isfinite, told)):
            raise TrainingDiverged(
                f"learning without labels diverged in epoch {epoch + 1}; choose a learning_rate below "
                f"{config.learning_rate:g}, or self_supervised 0"
            )
    return Learned(len(inputs), epochs, *told)


def _heads(network: Network, setting: Setting) -> _Heads:
    with torch.random.fork_rng():
        torch.manual_seed(epoch_seed(setting.config.seed, 0, HEAD_PURPOSE))
        return _Heads(getattr(network, HEAD).in_features)


def _plan(setting: Setting, count: int, epoch: int) -> list[Labels]:
    """The batches of an epoch: every scan once."""
    rng = np.random.default_rng(epoch_seed(setting.config.seed, epoch, ORDER_PURPOSE))
    return batches(rng.permutation(count).astype(np.int64), max(LEAST_BATCH, setting.config.batch_size))


def _views(unit: Tensor, setting: Setting, noise: torch.Generator) -> list[Tensor]:
    """Two views of each scan: a part of it, enlarged, and changed as in training."""
    changes = replace(Changes.of(setting.config), strength=STRENGTH)
    changed = (augment(_part(unit, noise), changes, noise) for _ in range(VIEWS))
    return [setting.device.place(setting.preprocess.normalise(view)) for view in changed]


def _part(x: Tensor, noise: torch.Generator) -> Tensor:
    """A square part of each scan at random, at the size of the whole."""
    n = len(x)
    drawn = torch.rand(3, n, generator=noise, device=x.device)
    side = LEAST_SHOWN + (1 - LEAST_SHOWN) * drawn[0]
    across, down = ((1 - side) * (2 * place - 1) for place in drawn[1:])
    zero = torch.zeros_like(side)
    theta = torch.stack((torch.stack((side, zero, across), 1), torch.stack((zero, side, down), 1)), 1)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _backward(
    network: Network,
    heads: _Heads,
    setting: Setting,
    inputs: _Inputs,
    shard: Labels,
    noise: torch.Generator,
    share: float,
) -> Tensor:
    """Add the gradients of this process's shard, which is a `share` of the batch; its part of the batch's agreement and spread,
    (2,)."""
    views = _views(inputs.batch(shard), setting, noise)
    with setting.device.autocast():
        made = [heads.project(features(network, view)) for view in views]
        foretold = [heads.predict(one) for one in made]
    pairs = zip(foretold, reversed(made), strict=True)
    agreement = torch.stack(
        [functional.cosine_similarity(one.float(), other.detach().float()).mean() for one, other in pairs]
    ).mean()
    (-agreement * share).backward()  # type: ignore[no-untyped-call]
    directions = functional.normalize(made[0].detach().float(), dim=1)
    spread = directions.std(dim=0).mean() * math.sqrt(PROJECTED)
    return torch.stack((agreement.detach(), spread)) * share
