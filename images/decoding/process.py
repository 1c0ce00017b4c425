"""One decoder child seen from the parent."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from images.decoding import wire

_ROOT: Final = Path(__file__).resolve().parents[2]
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
_START_S: Final = 60.0
_LEFT_S: Final = 1.0
# What an unprivileged process may ask for on Linux.
_PIPE_BYTES: Final = 1 << 20


def _nothing() -> None:
    pass


class ChildDiedError(Exception):
    """The child ended before it answered."""


class ChildNotStartedError(Exception):
    """The child ended, or was never made, before it was sent anything."""


class ChildTimeoutError(Exception):
    """The child was killed because it used up its time."""


class Child:
    """A running decoder. Not thread-safe: one caller at a time."""

    def __init__(self, memory_bytes: int) -> None:
        """Start the process. Call it from a thread that outlives the child: the kernel kills it with that thread."""
        self.served = 0
        self._process = subprocess.Popen(  # noqa: S603 - nothing from a user is on this line
            [sys.executable, "-m", "images.decoding.child", _settings(memory_bytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0, cwd=_ROOT, env=_environment(), start_new_session=True,
        )  # fmt: skip
        self._in = cast(IO[bytes], self._process.stdin)
        self._out = cast(IO[bytes], self._process.stdout)
        for stream in (self._in, self._out):
            _widen(stream)
            os.set_blocking(stream.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for the child's hello. Raises ChildNotStartedError where it cannot start."""
        try:
            wire.receive(_Within(self._out, _START_S))
        except (OSError, EOFError) as error:
            raise ChildNotStartedError from error

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, options: dict[str, Any], data: bytes, timeout_s: float, meanwhile: Callable[[], None] = _nothing
    ) -> tuple[dict[str, Any], bytes]:
        """Send one file and return the answer; `meanwhile` is done while the child works. Raises ChildDiedError or
        ChildTimeoutError; close() it then."""
        self.served += 1
        until = time.monotonic() + timeout_s
        try:
            wire.send(_Within(self._in, timeout_s), options, data)
        except (OSError, EOFError) as error:
            raise self._ended(error) from error
        meanwhile()
        # What took the time may have been the other work.
        left = max(until - time.monotonic(), _LEFT_S)
        try:
            return wire.receive(_Within(self._out, left))
        except (OSError, EOFError) as error:
            raise self._ended(error) from error

    def _ended(self, error: Exception) -> ChildTimeoutError | ChildDiedError:
        self._process.kill()
        used_up = self._process.wait() == -signal.SIGXCPU
        return ChildTimeoutError() if used_up or isinstance(error, TimeoutError) else ChildDiedError()

    def close(self) -> None:
        """Kill the process and reap it."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close this process' ends of the pipes only: for a fork of the parent, whose child this is not."""
        for stream in (self._in, self._out):
            with suppress(OSError):
                stream.close()


class _Within:
    """One end of a child's pipes, until a moment: a read or write that would have to wait longer is a TimeoutError."""

    def __init__(self, stream: IO[bytes], seconds: float) -> None:
        self._descriptor, self._until = stream.fileno(), time.monotonic() + seconds
        self._ready = select.poll()
        self._ready.register(self._descriptor, select.POLLOUT if stream.writable() else select.POLLIN)

    def read(self, size: int, /) -> bytes:
        self._wait()
        return os.read(self._descriptor, size)

    def write(self, data: memoryview, /) -> int:
        self._wait()
        return os.write(self._descriptor, data)

    def _wait(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0 or not self._ready.poll(left * 1000):
            raise TimeoutError


def _widen(stream: IO[bytes]) -> None:
    """Make room for a whole frame in the pipe: the other side need not wait until this one gets round to it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _settings(memory_bytes: int) -> str:
    return json.dumps({"parent": os.getpid(), "memory_bytes": memory_bytes})


def _environment() -> dict[str, str]:
    """Next to nothing: the parent's environment holds secrets. One thread per child, the pool is the parallelism."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return environment | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
