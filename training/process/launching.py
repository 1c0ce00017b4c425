"""Starting the processes of one host that train together, by PyTorch's own launcher (torchrun).

It starts them, tells them of each other, and when one ends early it ends the others. It restarts nothing: the row of the run is the
truth, and the sweeper gives it out again.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from training import processes
from training.models import TrainingRun
from training.process.ending import EXIT_STOPPED
from training.processes import Layout

log = logging.getLogger(__name__)

# sysexits.h EX_UNAVAILABLE: the hosts of a run did not come together.
EXIT_UNMET: Final = 69
# Seconds in which all hosts must come.
MEETING_S: Final = 120
# Between asking processes to end and killing them: less than the worker leaves the launcher (runner.GRACE_S).
END_S: Final = 8
HERE: Final = "127.0.0.1"
# The network device of this machine alone: what processes of one host say to each other stays on it.
LOOPBACK: Final = "lo"


@dataclass(frozen=True)
class Meeting:
    """Where the hosts of a run meet: the `name` of the attempt, and which of them this is."""

    name: str
    host: int = 0


def launch_run(run: TrainingRun, host: int = 0) -> int:
    """Train this attempt of a run with the processes of this host, as `launch` does."""
    words = [str(run.pk), "--attempt", str(run.attempt), "--parent", str(os.getpid())]
    return launch(processes.settled(run), Meeting(f"{run.code}-{run.attempt}", host), ["execute_run", *words])


def launch(layout: Layout, meeting: Meeting, words: Sequence[str]) -> int:
    """Run `manage.py` with these words in each process of this host. The exit status: 0 when all succeeded; EXIT_STOPPED when
    they were stopped or killed, for which no training is to blame; EXIT_UNMET; else the status of the process that failed."""
    from torch.distributed import DistError
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    _fit_environment(layout)
    manage = str(settings.BASE_DIR / "manage.py")
    told = torchrun.parse_args(  # type: ignore[no-untyped-call]
        [*_options(layout, meeting), "--no-python", sys.executable, manage, *words]
    )
    try:
        torchrun.run(told)  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        log.warning(
            "Of %s processes these ended early (rank: exit status, or minus the signal): %s", layout.total, codes
        )
        return status_of(codes)
    except SignalException:
        return EXIT_STOPPED
    except DistError as error:
        log.warning("The hosts of %s did not come together: %s", meeting.name, error)
        return EXIT_UNMET
    return 0


def status_of(codes: Mapping[int, int]) -> int:
    """Of the processes that ended first, by rank: that of one which failed by itself, if there is one."""
    failed = [code for _, code in sorted(codes.items()) if code > 0 and code != EXIT_STOPPED]
    return failed[0] if failed else EXIT_STOPPED


def unmet(layout: Layout) -> str:
    return (
        f"The {layout.hosts} hosts of TRAINING_HOSTS did not meet at {settings.TRAINING_RENDEZVOUS} (TRAINING_RENDEZVOUS) within "
        f"{MEETING_S} seconds. Start `manage.py join_training` on each of the others, see that they reach that address, and start "
        "the run again; or set TRAINING_HOSTS=1."
    )


def _options(layout: Layout, meeting: Meeting) -> list[str]:
    common = ["--nproc-per-node", str(layout.each), "--max-restarts", "0"]
    common += ["--signals_to_handle", "SIGTERM", "--shutdown-timeout", str(END_S)]
    if layout.hosts == 1:
        return [*common, "--standalone", "--local-addr", HERE]
    address, port = settings.TRAINING_RENDEZVOUS.rsplit(":", 1)
    hosts = ["--nnodes", str(layout.hosts), "--node-rank", str(meeting.host), "--rdzv-id", meeting.name]
    place = ["--master-addr", address.strip("[]"), "--master-port", port, "--rdzv-conf", f"timeout={MEETING_S}"]
    return [*common, *hosts, *place]


def _fit_environment(layout: Layout) -> None:
    """Each process takes its share of the cores; the launcher would give it one thread."""
    import torch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // layout.each)))
    if layout.hosts == 1 and sys.platform == "linux":
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", LOOPBACK)
    # Ctrl-C reaches the whole group of the terminal; whoever started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
