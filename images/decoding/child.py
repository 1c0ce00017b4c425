"""The decoder child: `python -m images.decoding.child SETTINGS`, started by the pool with subprocess.

It reads frames (wire.py) of one file each from stdin and answers on stdout until stdin ends. Before the first file
it gives up what a hijacked decoder would want: it cannot open a file or socket, write one, dump core, or outlive its
parent, and its memory and CPU time are bounded.
"""

import ctypes
import json
import math
import os
import resource
import signal
import sys
from io import FileIO
from typing import Any, Final

from images.decoding import wire
from images.decoding.errors import Undecodable
from images.decoding.job import Job
from images.decoding.render import render
from images.decoding.warmup import warm_up

_PR_SET_PDEATHSIG: Final = 1
_NO_MEMORY: Final = (
    "Reading the picture needs more memory than is allowed. Export the scan at a smaller size and upload that file."
)


def main() -> None:
    """Serve until stdin ends. SETTINGS is JSON: parent (process id), memory_bytes."""
    settings = json.loads(sys.argv[1])
    requests, answers = _private_streams()
    _die_with(settings["parent"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, settings["memory_bytes"])
    warm_up()
    _limit(resource.RLIMIT_NOFILE, 0)  # what is open stays open; nothing new, neither file nor socket
    wire.send(answers, {"ready": True})
    while True:
        try:
            options, data = wire.receive(requests)
        except EOFError:
            return
        job = Job(**options)
        _renew_cpu(job.timeout_s)
        wire.send(answers, *_answer(data, job))


def _answer(data: bytes, job: Job) -> tuple[dict[str, Any], bytes]:
    """The frame for one file: the facts with the size of each part, or an error code and its sentence."""
    try:
        facts, parts = render(data, job)
    except Undecodable as error:
        return {"error": error.code, "detail": error.detail}, b""
    except MemoryError:
        return {"error": "too_large", "detail": _NO_MEMORY}, b""
    return {"facts": facts, "sizes": {name: len(part) for name, part in parts.items()}}, b"".join(parts.values())


def _private_streams() -> tuple[FileIO, FileIO]:
    """Keep the pipes for frames only: whatever a library prints goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return FileIO(requests, "rb"), FileIO(answers, "wb")


def _die_with(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere the end of stdin ends the child
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))


def _renew_cpu(timeout_s: float) -> None:
    """Allow this file its own CPU seconds; going beyond kills the child by SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(usage.ru_utime + usage.ru_stime + timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main()
