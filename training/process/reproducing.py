"""Train a run again from its data set, as it was told then, and compare the weights. Nothing of the project changes: no version,
no reading of the test split, no row."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from django.conf import settings
from torch import Tensor

from images.models import Split
from images.policies import require
from labeling.models import SnapshotMember
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import User
from models_registry.inference.bundle import Bundle, Manifest
from models_registry.models import ModelVersion
from models_registry.versions import serving
from training import planning
from training.engine.ensemble import merged
from training.engine.group import ALONE, Group, join, launched
from training.models import TrainingRun
from training.process import provenance
from training.process.beating import Beats
from training.process.book import NoBook
from training.process.explaining import explain
from training.process.making import Training
from training.process.recorder import UNLABELLED_DIGEST, UNLABELLED_SCANS, Silent

NAMED_AT_MOST: Final = 20
# What may differ without touching a number.
_HARMLESS: Final = frozenset({"rng", "git_changed", "hosts", provenance.NOTE})
# Compared where they are read.
_READ: Final = frozenset({UNLABELLED_SCANS, UNLABELLED_DIGEST})


@dataclass(frozen=True)
class Comparison:
    """`differing`: names of weights that are not equal to the bit, of `weights` in all; `largest`: the largest absolute difference
    (infinite when shapes differ or a weight is missing). `environment`: what was otherwise then, as sentences."""

    weights: int
    differing: tuple[str, ...]
    largest: float
    environment: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.differing


class Rehearsal(Silent):
    """Shows how far it is, and writes nothing."""

    def __init__(self, run: TrainingRun, show: Callable[[float, str], None]) -> None:
        super().__init__(run, run.attempt)
        self._show = show

    def progress(self, fraction: float, message: str) -> None:
        low, high = self._span
        self._show(low + (high - low) * fraction, message)

    def unlabelled(self, scans: int, digest: str) -> None:
        """Conflict where they are no longer those that the run learned from; of an older run nobody knows."""
        then = self.run.environment
        if then.get(UNLABELLED_DIGEST, digest) != digest:
            raise _cannot(
                f"{self.run.code} learned also from {then[UNLABELLED_SCANS]} scans without labels that are no longer the same: "
                f"{scans} can be read now. Scans may have been erased, put on hold or held out of training since, or "
                "TRAINING_CACHE_MB was another. Train a new run instead."
            )


def reproduce(*, actor: User, run: TrainingRun, show: Callable[[float, str], None]) -> Comparison:
    """Train again with the recorded settings and number of threads. Conflict `cannot_reproduce` says why it cannot be.

    A run of several processes is made again by as many: started by `launching`, each of them calls this."""
    require(actor, "train_model", run.project)
    _require_possible(run)
    stored = _stored(run)
    group = join(planning.device()) if launched() else ALONE
    with _threads(run.environment.get("threads")), Beats(group, settings.TRAINING_PEER_TIMEOUT_S):
        environment = differences(run.environment, provenance.of(run, group))
        made = _made_again(run, stored.manifest, show, group)
    group.close()
    differing, largest = compare(stored.state_dict, made)
    return Comparison(len(stored.state_dict), differing, largest, environment)


def _require_possible(run: TrainingRun) -> None:
    if run.model is None:
        raise _cannot(f"{run.code} is {run.status}: it has made no version to compare with.")
    gone = SnapshotMember.objects.filter(
        snapshot=run.snapshot, split__in=(Split.TRAIN, Split.VAL), image__erased_at__gt=run.started_at or run.created_at
    )
    codes = [member.image.code for member in gone.select_related("image").order_by("image")]
    if codes:
        more = f" and {len(codes) - NAMED_AT_MOST} more" if len(codes) > NAMED_AT_MOST else ""
        raise _cannot(
            f"{run.code} was trained on scans that have been erased since: {', '.join(codes[:NAMED_AT_MOST])}{more}. "
            "It can never be made again exactly; train a new run on a new data set instead."
        )


class CannotReproduce(Conflict):
    default_code = "cannot_reproduce"


def _cannot(why: str) -> Conflict:
    return CannotReproduce(why)


def _stored(run: TrainingRun) -> Bundle:
    """What the run made, signature verified."""
    try:
        return serving.predictor(cast(ModelVersion, run.model)).bundle
    except serving.BundleDamaged as error:
        raise _cannot(str(error)) from error


def _made_again(
    run: TrainingRun, manifest: Manifest, show: Callable[[float, str], None], group: Group
) -> dict[str, Tensor]:
    """The weights of as many networks as serve, and what the version knows of its limits, if it does. How many networks serve
    depends on how quick a machine is, and is no part of the comparison."""
    book, networks, limits = NoBook(run), manifest.members, manifest.knowing is not None
    try:
        training = Training(run, Rehearsal(run, show), book, group)
        _, trained = training.train()
        fitted = merged(trained.members[:networks])
        known = training.knowledge_of(fitted)[1] if limits else {}
    except CannotReproduce:
        raise
    except Exception as error:
        raise _cannot(f"{run.code} could not be trained again. {explain(run, error)}") from error
    finally:
        book.close()
    return {**fitted.state_dict, **known}


@contextmanager
def _threads(recorded: int | None) -> Iterator[None]:
    """Sums over another number of threads are made in another order and differ in the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(recorded or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compare(kept: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> tuple[tuple[str, ...], float]:
    """The names of weights that are not equal to the bit, in order, and the largest absolute difference."""
    differing, largest = [], 0.0
    for name in sorted(kept.keys() | made.keys()):
        distance = _distance(kept.get(name), made.get(name))
        if distance is not None:
            differing.append(name)
            largest = max(largest, distance)
    return tuple(differing), largest


def _distance(one: Tensor | None, other: Tensor | None) -> float | None:
    """None when the bits are equal."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return float("inf")
    if one.numpy().tobytes() == other.numpy().tobytes():
        return None
    return float((one.double() - other.double()).abs().max())


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each recorded fact that is otherwise now."""
    if not then:
        return ("no record was kept of the machine and the packages",)
    names = [name for name in then if name not in _HARMLESS | _READ and then[name] != now.get(name)]
    lines = [f"{name}: {then[name]} then, {now.get(name, 'not known')} now" for name in names]
    if then.get("git_changed") or now.get("git_changed"):
        when = "then" if then.get("git_changed") else "now"
        lines.append(f"code: files differ from the commit {when}")
    return tuple(lines)
