"""What every part needs: settings, what can go wrong, what became of everything, and a few threads."""

import contextlib
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
# Refused by MediScan, and nothing is missing for it: a report, a plan, a segmentation.
NO_SCAN = ("no_picture",)
stopping = threading.Event()


def setting(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, "").strip() or default
    if value is None:
        sys.exit(f"Set {name}. The settings are explained at the top of this script.")
    return value


class Refused(Exception):
    """The server said no, and would say so again. `code`: its word for it, else the HTTP status."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.code, self.detail = status, str(status), body.decode(errors="replace").strip()
        with contextlib.suppress(ValueError, LookupError, TypeError):
            first = json.loads(body)["errors"][0]
            self.code, self.detail = str(first["code"]), str(first["detail"])
        super().__init__(f"{self.code}: {self.detail[:300]}" if self.detail else self.code)


class Failed(Exception):
    """This one did not work, though the server answers others. It is tried again at the next run."""


class Over(Exception):
    """Nothing can go on: a server has been away for too long, or lets nobody in."""


class Report:
    """What became of everything. Used from several threads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, what: str, reason: str = "") -> None:
        with self._lock:
            self.counts[what] += 1
            if what == "refused":
                self.reasons[reason] += 1

    def __str__(self) -> str:
        why = ", ".join(f"{code} {number}" for code, number in sorted(self.reasons.items()))
        shown = [f"{what} {self.counts[what]}" for what in ("found", "sent", "known", "refused", "failed")]
        shown[3] += f" ({why})" if why else ""
        rest = [f"{what} {self.counts[what]}" for what in ("corrected", "left out", "deleted") if self.counts[what]]
        return ", ".join(shown + rest)

    def is_missing(self) -> bool:
        refused = sum(number for code, number in self.reasons.items() if code not in NO_SCAN)
        return bool(self.counts["failed"] or refused)


def in_parallel(
    tasks: Iterable[Task], size: int, work: Callable[[list[Task]], None], done: Callable[[list[Task]], None]
) -> None:
    """`work` on all tasks, at most `size` at once, in a few threads; tasks are taken as they are needed. `done` is called in this
    thread."""
    threads, running, left = int(setting("THREADS", "4")), dict[Future[None], list[Task]](), iter(tasks)

    def collect(most: int) -> None:
        while len(running) > most:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                done(running.pop(future))

    with ThreadPoolExecutor(threads) as pool:
        try:
            while some := list(islice(left, size)):
                running[pool.submit(work, some)] = some
                collect(threads)
            collect(0)
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
