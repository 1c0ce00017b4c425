"""Two beats, on two machines."""

import signal
import time

from benchmarks._site_process import stopped
from benchmarks.faults._registry import fault, must
from benchmarks.faults._stage import Stage
from benchmarks.faults.clocks import BEAT, another

HOLDER = """
from mediscan_site.core.models import TaskLease
from django.db.models.functions import Now
row = TaskLease.objects.filter(name="beat", held_until__gt=Now()).first()
print(row.holder if row else "")
"""
# A lease, and the start of a process on a machine that does much else.
FOLLOWS_S = 300


@fault(
    "two-beats",
    "Two beats run; the one that sends is killed",
    "One of them sends at a time; the other follows in seconds",
)
def two_beats(stage: Stage) -> str:
    schedule = str(stage.site.folder / "second-beat")
    first = _holder(stage, "")
    with another(stage, "beat", ["beat", "--pidfile=", "--schedule", schedule]):
        time.sleep(12)
        must(_holder(stage, "") == first, "the second beat sends beside the first")
        began = time.monotonic()
        # Stopped, not killed: supervisor would have the first one's place filled at once.
        own = [pid for pid in stage.processes(BEAT) if "second-beat" not in _line(pid)]
        with stopped(own):
            second = _holder(stage, first)
            spent = time.monotonic() - began
        time.sleep(3)
        must(_holder(stage, "") == second, "the first beat sends again beside the second")
    began = time.monotonic()
    stage.signal(BEAT, signal.SIGKILL)
    _holder(stage, second)
    return f"the second followed after {spent:.0f} s and went on when the first woke up; a killed one was followed, too"


def _holder(stage: Stage, other_than: str) -> str:
    """Who holds the lease, once somebody else than this one does."""
    ends = time.monotonic() + FOLLOWS_S
    while (found := stage.python(HOLDER)) in ("", other_than):
        must(time.monotonic() < ends, f"no beat took over within {FOLLOWS_S} s")
        time.sleep(0.5)
    return found


def _line(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123
        return stream.read().decode(errors="replace")
