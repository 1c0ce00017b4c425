"""One decoder child seen from the parent."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from images.decoding import wire

_ROOT: Final = Path(__file__).resolve().parents[2]
_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
_START_S: Final = 60.0
# What an unprivileged process may ask for on Linux.
_PIPE_BYTES: Final = 1 << 20


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
        self._expired = False
        self._process = subprocess.Popen(  # noqa: S603 - nothing from a user is on this line
            [sys.executable, "-m", "images.decoding.child", _settings(memory_bytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0, cwd=_ROOT, env=_environment(), start_new_session=True,
        )  # fmt: skip
        self._in = cast(IO[bytes], self._process.stdin)
        self._out = cast(IO[bytes], self._process.stdout)
        for stream in (self._in, self._out):
            _widen(stream)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for the child's hello. Raises ChildNotStartedError where it cannot start."""
        try:
            with self._within(_START_S):
                wire.receive(self._out)
        except (OSError, EOFError) as error:
            raise ChildNotStartedError from error

    def alive(self) -> bool:
        return not self._expired and self._process.poll() is None

    def ask(self, options: dict[str, Any], data: bytes, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        """Send one file and return the answer. Raises ChildDiedError or ChildTimeoutError; close() it then."""
        self.served += 1
        try:
            with self._within(timeout_s):
                wire.send(self._in, options, data)
                return wire.receive(self._out)
        except (OSError, EOFError) as error:
            self._process.kill()
            used_up = self._process.wait() == -signal.SIGXCPU
            raise ChildTimeoutError if self._expired or used_up else ChildDiedError from error

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

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the child after `timeout_s` seconds: that ends a blocked write as well as a blocked read."""
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._expired = True
        self._process.kill()


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
