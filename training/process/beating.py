"""Whether all processes that train together are still there.

A process that dies is missed at once: its connections close. One that stands still, or whose host is gone, is not: the others would
wait in the next sum for ever. So each of them counts aloud, in a thread, and when one falls silent the others end, to be given out
again. A process that is busy, however long, goes on counting.
"""

import logging
import os
import threading
import time
from types import TracebackType
from typing import Final, Self

from training.engine.group import Group, PeerLost
from training.process.ending import EXIT_STOPPED

log = logging.getLogger(__name__)

BEAT_S: Final = 1.0
OVER: Final = "over"


class Beats:
    """Within it this process counts, and listens to the others; it ends at once, with EXIT_STOPPED, when one of them has been
    silent for `limit_s` seconds."""

    def __init__(self, group: Group, limit_s: float) -> None:
        self._group, self._limit_s = group, limit_s
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="beats", daemon=True)
        self._heard: dict[int, tuple[str | None, float]] = {}

    def __enter__(self) -> Self:
        if not self._group.alone:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if not self._group.alone:
            self._thread.join(timeout=2 * BEAT_S)

    def _go_on(self) -> None:
        count = 0
        try:
            while not self._left.wait(BEAT_S):
                count += 1
                self._group.note(self._name(self._group.rank), str(count))
                if silent := self._silent(time.monotonic()):
                    _end(f"of the processes that train together {silent} said nothing for {self._limit_s:g} seconds")
            self._group.note(self._name(self._group.rank), OVER)
        except PeerLost as error:
            if not self._left.is_set():
                _end(f"the launcher of the processes that train together does not answer: {error}")

    def _silent(self, now: float) -> list[int]:
        return [rank for rank in range(self._group.size) if rank != self._group.rank and self._is_silent(rank, now)]

    def _is_silent(self, rank: int, now: float) -> bool:
        told = self._group.noted(self._name(rank))
        before, since = self._heard.get(rank, (None, None))
        if since is None or told != before:
            self._heard[rank] = told, now
            return False
        return told != OVER and now - since > self._limit_s

    @staticmethod
    def _name(rank: int) -> str:
        return f"beat/{rank}"


def _end(why: str) -> None:
    """Without ado: the main thread may wait in a sum that never comes."""
    log.error("A training ends to be given out again: %s", why)
    os._exit(EXIT_STOPPED)
