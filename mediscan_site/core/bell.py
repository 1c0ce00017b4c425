"""Being told instead of looking again and again, between the processes of one machine.

The kernel tells (inotify) when a file comes into a folder or is touched. It is quicker than looking and never instead of it:
whoever waits also looks now and then, for what another machine did, which no kernel tells of."""

import contextlib
import logging
import os
import select
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from inotify_simple import INotify, flags

log = logging.getLogger(__name__)
# A message gets its final name; a bell is touched.
_EVENTS: Final = flags.MOVED_TO | flags.ATTRIB
# The kernel gives one user only so many watches.
_AWAY: Final = "The kernel gives no more watches (%s): new work is found by looking"


class Bell:
    """Of one folder or file, for one waiting thread or event loop. Without the kernel's help, `wait` only waits."""

    def __init__(self, path: Path) -> None:
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._kernel: INotify | None = None
        try:
            self._kernel = INotify(nonblocking=True)
            self._kernel.add_watch(path, _EVENTS)
        except OSError as error:
            log.warning(_AWAY, error)
            self._tells_nothing()

    def _tells_nothing(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def fileno(self) -> int | None:
        """What an event loop may watch; None without the kernel's help."""
        return self._kernel.fileno() if self._kernel is not None else None

    def wait(self, seconds: float) -> None:
        """Until something came in, `rouse` was called, or the time is up."""
        # Not `select`, which takes no file of a number over 1023.
        sources = select.poll()
        sources.register(self._woken, select.POLLIN)
        if self._kernel is not None:
            sources.register(self._kernel.fileno(), select.POLLIN)
        if sources.poll(max(0.0, seconds) * 1000):
            self.quiet()

    def quiet(self) -> None:
        """Forget what has been told so far."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._woken)
        if self._kernel is not None:
            self._kernel.read(timeout=0)

    def rouse(self) -> None:
        """From any thread: end the wait."""
        os.eventfd_write(self._woken, 1)

    def close(self) -> None:
        os.close(self._woken)
        if self._kernel is not None:
            self._kernel.close()


def touch(path: Path) -> None:
    """Ring for those whose `Bell` is of this file. Ringing is a courtesy: nobody fails for it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        log.warning("Who waits for an answer finds it by looking: %s", error)


def answers() -> Path:
    """What is touched when a worker has answered somebody who may be waiting."""
    return Path(settings.DATA_DIR) / "answers"


def answered() -> None:
    """Ring for the requests that wait, once the current transaction is committed."""
    transaction.on_commit(lambda: touch(answers()))
