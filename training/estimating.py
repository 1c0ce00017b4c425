"""How long a run will take, before it starts: from runs that this site has done, else from a table.

Nothing is timed here: the process that plans need not be on the machine that trains.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from mediscan_site.core.models import WorkStatus
from models_registry.inference.looks import Look
from models_registry.inference.names import GREY, LEVELS_KEPT, SQUASH
from models_registry.inference.poses import Poses
from training.memory import budget
from training.models import TrainingRun
from training.processes import ONE, Layout

# Milliseconds for one picture of SIDE x SIDE forwards and backwards, on two cores with AVX-512 (docs/training.md: 88 s for 240
# radiographs and three compact networks, 167 ms for eight pictures of 224 x 224 and ResNet-18; the others by their operations),
# and on a data centre's GPU, where starting the work takes longer than the work at small sizes.
SIDE: Final = 64
CPU_MS: Final = {
    "resnet_compact": 3.0,
    "resnet_detail": 0.8,
    "resnet18": 1.7,
    "resnet34": 3.4,
    "resnet50": 5.0,
    "resnet101": 9.0,
}
GPU_MS: Final = {
    "resnet_compact": 0.2,
    "resnet_detail": 0.1,
    "resnet18": 0.1,
    "resnet34": 0.15,
    "resnet50": 0.2,
    "resnet101": 0.35,
}
# What a further device adds to the first: a guess, until runs have been done here.
FURTHER_DEVICE: Final = 0.8
UNKNOWN_MS: Final = max(CPU_MS.values())
# A pass without gradients costs a third of one with.
FORWARDS: Final = 1 / 3
# Around the epochs: the process, the graph, the report; and each scan that is read, a tile or a view for learning.
AROUND_S, TILE_S, VIEW_S = 8.0, 0.004, 0.02
# So many earlier runs are looked through, and so many of those that are alike are believed.
LOOKED_THROUGH, BELIEVED = 20, 5
# The true time lies between these shares of the estimate.
ALIKE, RESIZED, TABLE = (0.7, 1.5), (0.5, 2.0), (0.3, 3.0)
MINUTE: Final = 60


@dataclass(frozen=True)
class Counts:
    """Scans of a data set by side. `unlabelled`: scans of the project that a run may learn from before it learns the classes, at
    most. `frames`: those that are read beside one of each scan; an epoch learns from one of each."""

    training: int
    validation: int
    test: int
    unlabelled: int = 0
    frames: int = 0

    @property
    def all(self) -> int:
        return self.training + self.validation + self.test


@dataclass(frozen=True)
class Estimate:
    """Seconds from the start of the work to the registered version, and between which they lie. `basis`: what it rests on."""

    seconds: float
    low: float
    high: float
    basis: str

    def words(self) -> str:
        """ "about 12 minutes (8 to 18)"."""
        if self.high < 2 * MINUTE:
            return f"about {_tens(self.seconds)} seconds ({_tens(self.low)} to {_tens(self.high)})"
        in_minutes = self.seconds < 90 * MINUTE
        unit = MINUTE if in_minutes else 60 * MINUTE
        number, low, high = (max(1, round(value / unit)) for value in (self.seconds, self.low, self.high))
        return f"about {number} {'minute' if in_minutes else 'hour'}{'' if number == 1 else 's'} ({low} to {high})"


def _tens(seconds: float) -> int:
    return max(10, round(seconds / 10) * 10)


def estimate(config: Mapping[str, Any], counts: Counts, device: str, layout: Layout = ONE) -> Estimate:
    """`config`: of a run, complete. `layout`: the processes that will train it."""
    own = _measured(config, device, layout.total)
    rate, spread, basis = own or (
        _table(config, device) / _gain(device, layout),
        TABLE,
        "a table of one machine, as no run like it was done here",
    )
    learning = (work(config, counts) + _before(config, counts)) * rate / 1000
    pictures = counts.all + counts.frames + _unlabelled(config, counts)
    around = AROUND_S + pictures * (VIEW_S if _look(config).needs_views else TILE_S)
    low, high = (round(share * learning + around, 1) for share in spread)
    return Estimate(round(learning + around, 1), low, high, basis)


def work(config: Mapping[str, Any], counts: Counts) -> float:
    """Of the epochs that are measured, in pictures of SIDE x SIDE that pass forwards and backwards through one network."""
    epochs, frozen = config["epochs"], config.get("frozen_epochs", 0)
    open_epochs = epochs - frozen
    judged = _poses(config) * counts.validation
    one = open_epochs * (counts.training + FORWARDS * judged)
    # Epochs with a frozen backbone learn on features that were made once.
    one += FORWARDS * (counts.training + judged) if frozen else 0
    folds = config.get("folds", 0)
    held = folds * open_epochs * (counts.training + counts.validation) * (1 - (1 - FORWARDS) / folds) if folds else 0
    size: float = (config["image_size"] / SIDE) ** 2
    return float(config.get("members", 1) * (one + held) * size)


def _poses(config: Mapping[str, Any]) -> int:
    """In how many a scan is judged; runs of earlier days were not told of turned ones."""
    return Poses(mirrored=config.get("flip_tta", False), turned=config.get("turned_tta", False)).count


def _before(config: Mapping[str, Any], counts: Counts) -> float:
    """The epochs without labels, in the same measure. Each network has its own, and so has each of a fold, on the scans that the
    fold leaves it: each scan in two views."""
    folds, others = config.get("folds", 0), _unlabelled(config, counts)
    left = (folds - 1) * (counts.training + counts.validation) if folds else 0
    seen = counts.training + left + (1 + folds) * others
    size: float = (config["image_size"] / SIDE) ** 2
    return float(2 * config.get("self_supervised", 0) * config.get("members", 1) * seen * size)


def _unlabelled(config: Mapping[str, Any], counts: Counts) -> int:
    """As many as may stay in memory."""
    if not config.get("self_supervised", 0):
        return 0
    size: int = config["image_size"] ** 2 * _look(config).channels
    return min(counts.unlabelled, budget() // size)


def _table(config: Mapping[str, Any], device: str) -> float:
    return (CPU_MS if device == "cpu" else GPU_MS).get(config["architecture"], UNKNOWN_MS)


def _gain(device: str, layout: Layout) -> float:
    """How many times as quick as one process. Those of one host share its processors, and have a GPU each."""
    devices = layout.hosts if device == "cpu" else layout.total
    return 1 + FURTHER_DEVICE * (devices - 1)


def _measured(config: Mapping[str, Any], device: str, processes: int) -> tuple[float, tuple[float, float], str] | None:
    """Milliseconds a unit of work in earlier runs of this network on such a device; how sure, and what they were."""
    done = TrainingRun.objects.filter(status=WorkStatus.SUCCEEDED, config__architecture=config["architecture"])
    rows = done.select_related("snapshot").prefetch_related("epochs").order_by("-pk")[:LOOKED_THROUGH]
    runs = [run for run in rows if run.processes == processes and _comparable(run, config, device)]
    alike = [run for run in runs if _seen(run.config) == _seen(config)]
    chosen = (alike or runs)[:BELIEVED]
    rates = [1000 * _seconds(run) / work(run.config, counts_of(run)) for run in chosen]
    if not rates:
        return None
    named = f"{len(rates)} earlier run{'s' if len(rates) > 1 else ''} here"
    return median(rates), ALIKE if alike else RESIZED, named if alike else f"{named} that saw otherwise"


def _comparable(run: TrainingRun, config: Mapping[str, Any], device: str) -> bool:
    """Patience may have ended it early."""
    told = run.config
    same = told.get("pretrained") == config["pretrained"] and run.environment.get("device") == device
    timed = [row for row in run.epochs.all() if row.metrics.get("seconds")]
    return same and bool(timed) and not told.get("patience") and counts_of(run).training > 0


def _seconds(run: TrainingRun) -> float:
    return sum(float(row.metrics.get("seconds") or 0) for row in run.epochs.all())


def _look(config: Mapping[str, Any]) -> Look:
    seen = config.get("sees", GREY), config.get("shape", SQUASH), config.get("windows", "")
    return Look.of(*seen, config["image_size"], config.get("levels", LEVELS_KEPT))


def _seen(config: Mapping[str, Any]) -> tuple[int, int]:
    return config["image_size"], _look(config).channels


def counts_of(run: TrainingRun) -> Counts:
    """As the data set was frozen."""
    return of_classes(run.snapshot.class_counts.values())


def of_classes(classes: Iterable[Mapping[str, int]]) -> Counts:
    by_class = list(classes)
    return Counts(*(sum(sides.get(side, 0) for sides in by_class) for side in ("train", "val", "test")))
