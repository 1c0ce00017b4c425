"""All that changes while a run goes on, and how it is kept and taken up again. What does not change is its `Setting`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from models_registry.inference.architectures import HEAD, Network

from . import checkpoint as ck
from .ranking import epochs_without_gain
from .report import EpochReport, OutOfMemory, TrainingDiverged
from .schedule import COOL_SHARE, WARM_SHARE, Average, cooled, one_cycle, open_stages, optimiser_for, stages
from .setting import FROZEN, FULL, Setting

# What epochs cost compared with a full one of as many scans, which goes forwards and backwards; for the progress only.
FORWARD_COST, FROZEN_COST, FULL_COST = 1.0, 0.1, 3.0
MAX_BACKOFFS = 2
SMALLEST_MICRO = 2


@dataclass(frozen=True)
class Callbacks:
    """What the loop calls while an epoch runs."""

    on_progress: Callable[[float, str], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class Features:
    """What a frozen backbone makes of all scans, (N, D) each; `posed`: of the validation scans in other poses."""

    train: Tensor
    val: Tensor
    posed: tuple[Tensor, ...] = ()


@dataclass
class State:
    """`epoch` counts finished epochs, `step` the steps of the phase, `opened` the stages that learn, whose parameters
    are `trainable`. `average`: the weights that are validated and kept, which follow those of `network`;
    `judge` is the copy of the network into which they are loaded for that. `forward` is the network, compiled where
    that pays. `tired_epoch`: the one after which patience was exhausted, 0 while it is not. `good` is the state after
    the last finished epoch, to which a fault goes back. `statistics`: those that batch normalisation keeps in the stages that
    learn."""

    setting: Setting
    network: Network
    forward: nn.Module
    judge: Network
    average: Average
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    phase: str = ""
    epoch: int = 0
    tired_epoch: int = 0
    step: int = 0
    opened: int = 0
    trainable: list[nn.Parameter] = field(default_factory=list)
    statistics: list[Tensor] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[EpochReport] = field(default_factory=list)
    pending_optimiser: dict[str, Tensor] = field(default_factory=dict)
    cached: Features | None = None
    backoffs: int = 0
    micro: int = 0
    notes: list[str] = field(default_factory=list)
    good: ck.Checkpoint | None = None

    @classmethod
    def before(cls, setting: Setting, network: Network) -> State:
        """The state before the first epoch."""
        network.to(setting.device.name).to(memory_format=torch.channels_last)
        return cls(
            setting=setting,
            network=network,
            forward=setting.device.forward_of(network),
            judge=copy.deepcopy(network),
            average=Average(network, setting.config.ema_decay),
            optimiser=optimiser_for(network, setting.config.weight_decay, discriminative=False),
            scaler=setting.device.scaler(),
        )

    def begin_from(self, network: Network) -> None:
        """Take what the network has learned meanwhile as the start."""
        self.average = Average(network, self.setting.config.ema_decay)

    @property
    def learning_rate(self) -> float:
        """The peak rate, after what faults have taken of it."""
        return math.ldexp(self.setting.config.learning_rate, -self.backoffs)

    @property
    def last_epoch(self) -> int:
        """The epoch with which the run ends: the last one, or, once patience is exhausted, a few later, in which the
        learning rate comes down."""
        if not self.tired_epoch:
            return self.setting.config.epochs
        return min(self.setting.config.epochs, self.tired_epoch + math.ceil(COOL_SHARE * self.setting.full_epochs))

    def rates(self, total: int, peak: float) -> Callable[[int], float]:
        """Step of the current phase to its learning rate; `total`: the steps of the phase."""
        if not self.tired_epoch:
            return lambda step: one_cycle(step, total, peak)
        an_epoch = total // self.setting.full_epochs
        left = (self.tired_epoch - self.setting.frozen_epochs) * an_epoch
        steps = (self.last_epoch - self.tired_epoch) * an_epoch
        return lambda step: cooled(step - left, steps, one_cycle(left, total, peak), peak)

    def lose_patience(self) -> None:
        """Note the epoch after which that many in a row had brought no gain (`ranking.epochs_without_gain`).

        Only epochs of the whole network count, and only those after the learning rate has reached its peak: before, every
        epoch is a start.
        """
        patience = self.setting.config.patience
        first = self.setting.frozen_epochs + math.ceil(WARM_SHARE * self.setting.full_epochs)
        ends = range(first, self.epoch + 1) if patience else ()
        self.tired_epoch = next((n for n in ends if epochs_without_gain(self.history[:n], first) >= patience), 0)

    def checkpoint(self) -> ck.Checkpoint:
        """The state after the last finished epoch, as views: it changes with the next step."""
        return ck.Checkpoint(
            run_key=self.setting.key,
            epoch=self.epoch,
            step=self.step,
            phase=self.phase,
            model=dict(self.network.state_dict()),
            average=self.average.state,
            best=None if self.best_epoch == self.epoch else self.best,
            optimiser=ck.optimiser_tensors(self.optimiser),
            best_epoch=self.best_epoch,
            history=tuple(self.history),
            preprocess=self.setting.preprocess.to_dict(),
            backoffs=self.backoffs,
            micro=self.micro,
            scaler=self.scaler.state_dict(),
        )

    def keep(self) -> None:
        """Remember this state as the one to go back to."""
        now, before = self.checkpoint(), self.good
        model = self.copy_of(now.model, before.model if before else None)
        average = self.copy_of(now.average, before.average if before else None)
        self.good = replace(now, model=model, average=average, optimiser=copied(now.optimiser))

    def copy_of(self, weights: Mapping[str, Tensor], before: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        """A copy of `weights`. In the frozen phase only the head is copied again and the rest is that of `before`, which
        is equal: copying a whole network would take longer than the epoch."""
        if self.phase != FROZEN or before is None:
            return copied(weights)
        return {k: v.detach().clone() if k.startswith(f"{HEAD}.") else before[k] for k, v in weights.items()}

    def restore(self, saved: ck.Checkpoint) -> None:
        """Go back to a checkpoint of this run."""
        self.network.load_state_dict(saved.model, strict=True)
        self.average.load(saved.average)
        self.best = copied(self.average.state) if saved.best is None else saved.best
        self.epoch, self.step, self.phase = saved.epoch, saved.step, saved.phase
        self.best_epoch, self.history = saved.best_epoch, list(saved.history)
        self.backoffs, self.micro = saved.backoffs, saved.micro
        if saved.scaler:
            self.scaler.load_state_dict(saved.scaler)
        self.lose_patience()
        self.pending_optimiser = saved.optimiser
        self.opened, self.cached = 0, None

    def back_off(self, what: str) -> None:
        """After a loss or weights that are not finite: back to the last good epoch, with half the learning rate."""
        if self.good is None or self.backoffs >= MAX_BACKOFFS:
            raise TrainingDiverged(
                f"{what}, also with a quarter of the learning rate; choose a learning_rate below "
                f"{self.learning_rate:g} or look for damaged scans"
            )
        again = self.backoffs + 1
        self.restore(self.good)
        self.backoffs = again
        self.notes.append(f"{what}: begun again with half the learning rate")

    def shrink(self) -> None:
        """After memory has run out: back to the last good epoch, with half as many scans at a time."""
        micro = (self.micro or self.setting.shard_size) // 2
        if self.good is None or micro < SMALLEST_MICRO:
            raise OutOfMemory(
                f"There is not enough memory even for {SMALLEST_MICRO} scans at a time. Choose an image_size below "
                f"{self.setting.config.image_size} or a smaller architecture, or train on a machine with more memory."
            )
        self.setting.device.release()
        self.restore(self.good)
        self.micro = micro
        self.notes.append(f"memory ran out: {micro} scans at a time, gradients added up")

    def open_up(self, total: int) -> None:
        """Let those stages learn whose turn it is at this step; those still closed keep their statistics too."""
        parts = stages(self.network)
        number = 1 if self.phase == FROZEN else len(parts)
        if self.phase == FULL and self.setting.knows_something:
            number = open_stages(self.step, total, len(parts))
        if number == self.opened:
            return
        self.opened = number
        names = {name for part in parts[:number] for name in part}
        self.network.eval()
        for name, module in self.network.named_children():
            module.requires_grad_(name in names)
            module.train(name in names)
        self.trainable = [p for p in self.network.parameters() if p.requires_grad]
        kept = (buffer for name, part in self.network.named_children() if name in names for buffer in part.buffers())
        self.statistics = [buffer for buffer in kept if buffer.is_floating_point()]
        self.average.follow(names)

    def follow(self) -> None:
        """Take what learns from the process that leads: the same to the bit, unless the processors of the hosts round otherwise;
        then everyone goes on from what a checkpoint of this epoch holds."""
        # By name: what is loaded from a checkpoint comes in any order.
        kept = (sorted(self.optimiser.state.get(one, {}).items()) for one in self.trainable)
        moments = [value for items in kept for _, value in items if isinstance(value, Tensor)]
        self.setting.group.follow([*self.trainable, *self.statistics, *moments, *self.average.moving])

    def forward_of(self, x: Tensor) -> nn.Module:
        """What to call for the logits of `x` in training. What was compiled serves whole batches of the whole network: for
        every other size, and for every stage that is closed, it would be compiled again, and those are few steps."""
        whole = len(x) == (self.micro or self.setting.shard_size) and self.opened == len(stages(self.network))
        return self.forward if whole else self.network

    def share(self, epochs: float, *, cached: float = 1.0) -> float:
        """How much of the run's work is done, 0..1, after that many epochs; `cached`: the part of the features that is."""
        n, val = len(self.setting.data.train_labels), len(self.setting.data.val_labels)
        features = FORWARD_COST * (n + val) if self.setting.frozen_epochs else 0.0
        frozen, full = FROZEN_COST * n, FULL_COST * n + FORWARD_COST * val
        rest = self.last_epoch - self.setting.frozen_epochs
        done = (
            features * cached
            + frozen * min(epochs, self.setting.frozen_epochs)
            + full * max(0.0, epochs - self.setting.frozen_epochs)
        )
        return done / (features + frozen * self.setting.frozen_epochs + full * rest)


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}


def start_phase(state: State, phase: str) -> None:
    """Give `phase` its optimiser: the saved one when a run is taken up in mid-phase."""
    resumed = bool(state.pending_optimiser) and state.phase == phase
    discriminative = state.setting.knows_something and phase == FULL
    state.optimiser = optimiser_for(state.network, state.setting.config.weight_decay, discriminative=discriminative)
    if resumed:
        ck.load_optimiser(state.optimiser, state.pending_optimiser)
    else:
        state.step = 0
    state.phase, state.pending_optimiser, state.opened, state.cached = phase, {}, 0, None
