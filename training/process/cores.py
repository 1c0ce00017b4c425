"""How many threads a training takes: as many as other programs leave cores to it.

The threads of a step wait for each other many times. If one of them has to share its core, and the more so as a training gives
way to others, all of them wait: on two cores shared with one busy program, two threads took 35 to 80 times as long as
alone, and one thread twice as long.
"""

import os
import time
from pathlib import Path
from typing import Final

from django.conf import settings

from training.models import TrainingRun

LOOK_S: Final = 1.0
STAT: Final = Path("/proc/stat")
# Of the first line of /proc/stat, what is no rest: user, nice, system, irq, softirq, steal.
WORKING: Final = (1, 2, 3, 6, 7, 8)


def of(run: TrainingRun, usual: int, processes: int = 1) -> int:
    """The threads of each of the `processes` of a host that train a run: their share of what the site says; else as it began, so
    that it goes on to the bit; else of the `usual` ones what other programs leave."""
    begun = run.environment.get("threads") if run.checkpoint_id is not None else None
    if settings.TRAINING_SUBPROCESS_THREADS:
        return max(1, settings.TRAINING_SUBPROCESS_THREADS // processes)
    return begun or threads(usual, busy=busy_cores(), processes=processes)


def threads(usual: int, *, busy: float, cores: int | None = None, processes: int = 1) -> int:
    """How many of the `usual` threads of each process find a free core while others keep `busy` cores at work; at least one."""
    return max(1, min(usual, ((cores or os.cpu_count() or usual * processes) - round(busy)) // processes))


def busy_cores(seconds: float = LOOK_S, source: Path = STAT) -> float:
    """Cores that other programs keep at work, measured over that many seconds; 0 where the system does not say."""
    before, began = _others(source), time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    after = _others(source)
    return 0.0 if before is None or after is None else max(0.0, (after - before) / spent)


def _others(source: Path) -> float | None:
    """Processor seconds of all programs but this one since the system began."""
    try:
        line = source.read_text().split("\n", 1)[0].split()
        everybody = sum(int(line[column]) for column in WORKING) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
    own = os.times()
    return everybody - own.user - own.system
