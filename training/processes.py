"""How many processes train a run, and on which hosts; for whoever plans it as for whoever starts it. Loads no PyTorch.

A batch is as large with several processes as with one. Batch normalisation sees the shard that a process computes, and a small
one says too little of what scans look like: a run whose batches would be cut too small is trained by fewer processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from training.models import TrainingRun

# The smallest shard of a whole batch.
LEAST_SHARD: Final = 8


@dataclass(frozen=True)
class Layout:
    """`each` process of `hosts`."""

    hosts: int = 1
    each: int = 1

    @property
    def total(self) -> int:
        return self.hosts * self.each


ONE: Final = Layout()


def wanted() -> Layout:
    """As the site says."""
    return Layout(settings.TRAINING_HOSTS, settings.TRAINING_PROCESSES)


def possible(config: Mapping[str, Any], n_train: int) -> Layout:
    """As the site says, or fewer: first on each host, then of the hosts. `config`: of a run, complete; `n_train`: its training
    scans."""
    asked, most = wanted(), max(1, min(config["batch_size"], n_train) // LEAST_SHARD)
    hosts = min(asked.hosts, most)
    # One host of several, or all of them: those that were told to join would else wait for nothing.
    hosts = hosts if hosts == asked.hosts else 1
    return Layout(hosts, max(1, min(asked.each, most // hosts)))


def of(run: TrainingRun) -> Layout:
    """Of a run that is about to begin, or goes on: with as many processes as before, so that it goes on to the bit."""
    return possible(run.config, _n_train(run)) if run.checkpoint_id is None else settled(run)


def settled(run: TrainingRun) -> Layout:
    """Of an attempt that has begun: on the site's hosts, unless it was given fewer processes than there are hosts."""
    hosts = settings.TRAINING_HOSTS if run.processes % settings.TRAINING_HOSTS == 0 else 1
    return Layout(hosts, run.processes // hosts)


def settle(pk: int, attempt: int) -> Layout:
    """Decide for this attempt, and write it down for the other hosts."""
    run = TrainingRun.objects.select_related("snapshot").get(pk=pk)
    layout = of(run)
    TrainingRun.objects.filter(pk=pk, attempt=attempt).update(processes=layout.total)
    return layout


def note(run: TrainingRun) -> str:
    """Why a run has fewer processes than the site says; empty where it has as many."""
    asked = wanted()
    if run.processes >= asked.total:
        return ""
    return (
        f"TRAINING_PROCESSES asks for {asked.total} in all; batches of {run.config['batch_size']} scans give each process "
        f"too few, below {LEAST_SHARD}"
    )


def _n_train(run: TrainingRun) -> int:
    return sum(sides.get("train", 0) for sides in run.snapshot.class_counts.values()) or run.config["batch_size"]
