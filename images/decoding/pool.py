"""A pool of decoder children for the threads of one process."""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from images.decoding.errors import DETAILS, DecoderUnavailableError, Undecodable, too_many_bytes
from images.decoding.formats import DECODABLE, SNIFF_BYTES, SPLITTABLE, sniff, unsupported
from images.decoding.job import Job, deid_as_json
from images.decoding.process import Child, ChildDiedError, ChildNotStartedError, ChildTimeoutError
from images.decoding.result import Decoded

if TYPE_CHECKING:
    from images.decoding.deid.options import DeidOptions

logger = logging.getLogger(__name__)

_ATTEMPTS = 2


@dataclass(frozen=True)
class Limits:
    """What decoding may use. memory_bytes: the address space of a child; timeout_s: per file; max_frames: to split."""

    size: int = 2
    timeout_s: float = 20.0
    memory_bytes: int = 2 * 2**30
    max_pixels: int = 100_000_000
    max_bytes: int = 64 * 2**20
    max_files: int = 5000
    max_frames: int = 2000

    def __post_init__(self) -> None:
        for item in fields(self):
            if not getattr(self, item.name) > 0:
                raise ValueError(f"The decoding limit {item.name} must be greater than 0.")


_DEFAULTS = Limits()


class _Once:
    """Work that is done the first time it is called."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    def __call__(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


class DecoderPool:
    """Decodes untrusted files in child processes that may die. Thread-safe; nothing is started before the first decode().

    A child is replaced after a crash, a timeout, or max_files files. A pool belongs to the process that made it:
    in a fork of it use default_pool().
    """

    def __init__(self, limits: Limits = _DEFAULTS) -> None:
        self.limits = limits
        self.pid = os.getpid()
        self._slots = threading.BoundedSemaphore(limits.size)
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._idle: list[Child] = []
        self._closed = False
        # The kernel kills a child together with the thread that started it: this one lives as long as the pool.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="decoder-starter")

    def decode(
        self,
        data: bytes,
        *,
        deid: "DeidOptions | None" = None,
        own: bool = False,
        rendition: bool = True,
        learning: bool = False,
        frame: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Decoded:
        """Decode one whole file. Raises Undecodable; blocks while all children are busy.

        A DICOM file from outside needs `deid`, and the answer then has the file to keep in `stored`: ValueError
        without, so that nothing is kept as it came. `own` is for a file that was kept that way: only its pictures
        are made. With `rendition` False the PNG, the most expensive part, is left out; with
        `learning` there is a view for learning. `frame`: of this frame or page, from 1, instead of the one that stands
        for all. `meanwhile` is done once, by this thread, while a child works on the file; an error of its own is raised.
        """
        fmt = self._accepted(data)
        if fmt == "DICOM" and (deid is None) != own:
            raise ValueError("A DICOM file is decoded either with the options of its de-identification or as our own.")
        job = self._job(fmt, rendition=rendition, learning=learning, deid=deid_as_json(deid), frame=frame)
        return _result(*self._done(job, data, _Once(meanwhile) if meanwhile else None))

    def identity(self, data: bytes, *, deid: "DeidOptions | None" = None) -> dict[str, str | int | None]:
        """Whose picture a DICOM file is and which one: `dicom.identity.identity` says what. Raises Undecodable.

        With `deid`, UIDs are those of the file as it will be stored; without, as they are in a file of our own."""
        job = self._job("DICOM", deid=deid_as_json(deid), only_identity=True)
        self._accepted(data)
        found: dict[str, str | int | None] = _facts(self._done(job, data)[0])["identity"]
        return found

    def pixels(self, data: bytes, *, frame: int = 0) -> bytes:
        """What a viewer shows of a file of our own, at full size (see `render`). `frame`: as `decode`. Raises Undecodable."""
        header, body = self._done(self._job(self._accepted(data), pixels=True, frame=frame), data)
        return _parts(header | _facts(header), body)["pixels"]

    def split(self, data: bytes) -> Iterator[bytes]:
        """The frames of a DICOM file or the pages of a TIFF file as files of their own, one after the other.

        Any other file, and one of a single frame, comes back as it is. The files are made while they are asked for,
        some dozen ahead, and are the same whenever the same file is split; they are to be decoded like any file from
        outside. Raises Undecodable, also in the middle.
        """
        fmt, done, count = self._accepted(data), 0, 1
        while fmt in SPLITTABLE and done < count:
            job = self._job(fmt, split_from=done, max_frames=self.limits.max_frames)
            header, body = self._done(job, data)
            count = _facts(header)["count"]
            if count == 1:
                break
            for part in _parts(header, body).values():
                yield part
                done += 1
        if count == 1:
            yield data

    def _job(self, fmt: str, **options: Any) -> Job:
        return Job(fmt, self.limits.max_pixels, self.limits.max_bytes, self.limits.timeout_s, **options)

    def _done(self, job: Job, data: bytes, meanwhile: "_Once | None" = None) -> tuple[dict[str, Any], bytes]:
        """The answer of a child; a second child is asked when the first one dies. DecoderUnavailableError when none got as far
        as the file."""
        options, reached = job.as_json(), False
        with self._slots:
            for _ in range(_ATTEMPTS):
                try:
                    return self._ask(options, data, meanwhile)
                except ChildTimeoutError:
                    logger.warning("A decoder used up its time and was stopped.")
                    raise Undecodable("decoder_timeout") from None
                except ChildNotStartedError:
                    logger.warning("A decoder could not be started.")
                except ChildDiedError:
                    reached = True
                    logger.warning("A decoder died.")
        if not reached:
            raise DecoderUnavailableError
        raise Undecodable("decoder_crashed")

    def child_pids(self) -> tuple[int, ...]:
        """The process ids of the children that exist now."""
        with self._lock:
            return tuple(child.pid for child in self._children)

    def close(self) -> None:
        """Stop idle children now and busy ones after their file; later calls of decode() raise RuntimeError."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
            self._children.difference_update(idle)
        for child in idle:
            child.close()
        if not self._children:
            self._starter.shutdown()

    def forget(self) -> None:
        """In a fork: let go of the children's pipes, so that they end with the process they belong to."""
        for child in self._children:
            child.forget()

    def _accepted(self, data: bytes) -> str:
        if not data:
            raise Undecodable("empty_file")
        if len(data) > self.limits.max_bytes:
            raise too_many_bytes(len(data), self.limits.max_bytes)
        fmt = sniff(data[:SNIFF_BYTES])
        if fmt is None or fmt not in DECODABLE:
            raise unsupported(fmt)
        return fmt

    def _ask(self, options: dict[str, Any], data: bytes, meanwhile: "_Once | None") -> tuple[dict[str, Any], bytes]:
        child = self._take()
        in_step = False  # any exception, a task's soft time limit too, leaves the child in the middle of a frame
        try:
            answer = child.ask(options, data, self.limits.timeout_s, **({"meanwhile": meanwhile} if meanwhile else {}))
            in_step = True
            return answer
        finally:
            self._give_back(child, in_step=in_step)

    def _take(self) -> Child:
        with self._lock:
            if self._closed or self.pid != os.getpid():
                raise RuntimeError("This decoder pool is closed or of another process: use default_pool().")
            child = self._idle.pop() if self._idle else None
        if child and child.alive():
            return child
        if child:
            self._drop(child)
        return self._start()

    def _start(self) -> Child:
        try:
            child = self._starter.submit(Child, self.limits.memory_bytes).result()
        except OSError as error:  # no memory or no process left for a new one
            raise ChildNotStartedError from error
        with self._lock:
            self._children.add(child)
        try:
            child.wait_until_ready()
        except BaseException:
            self._drop(child)
            raise
        return child

    def _give_back(self, child: Child, *, in_step: bool) -> None:
        with self._lock:
            keep = in_step and not self._closed and child.served < self.limits.max_files and child.alive()
            if keep:
                self._idle.append(child)
        if not keep:
            self._drop(child)

    def _drop(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)
        child.close()


def _facts(header: dict[str, Any]) -> dict[str, Any]:
    if "error" in header:
        code = header["error"] if header["error"] in DETAILS else "corrupt"
        raise Undecodable(code, header["detail"])
    facts: dict[str, Any] = header["facts"]
    return facts


def _parts(header: dict[str, Any], body: bytes) -> dict[str, bytes]:
    parts, position = {}, 0
    for name, size in header["sizes"].items():
        parts[name] = body[position : position + size]
        position += size
    return parts


def _result(header: dict[str, Any], body: bytes) -> Decoded:
    facts = _facts(header)
    return Decoded(**facts | {name: tuple(facts[name]) for name in ("notes", "actions")} | _parts(header, body))


_limits = _DEFAULTS
_default: DecoderPool | None = None
_inherited: list[DecoderPool] = []
_default_lock = threading.Lock()


def configure(**limits: float) -> None:
    """Set limits of the process-wide pool by the names in Limits; the others stay. TypeError or ValueError if wrong."""
    global _limits, _default
    with _default_lock:
        _limits = replace(_limits, **limits)  # type: ignore[arg-type]
        outdated, _default = _default, None
    if outdated is not None:
        outdated.close()


def default_pool() -> DecoderPool:
    """The pool of this process, made at the first call and again after a fork."""
    global _default
    with _default_lock:
        if _default is None or _default.pid != os.getpid():
            _default = DecoderPool(_limits)
        return _default


def _close_default() -> None:
    if _default is not None and _default.pid == os.getpid():
        _default.close()


def _after_fork() -> None:
    """The lock may have been held by a thread that does not exist here; the children belong to the other process."""
    global _default, _default_lock
    _default_lock = threading.Lock()
    if _default is not None:
        _default.forget()
        _inherited.append(_default)  # kept, so that no finaliser waits for another process' children
        _default = None


atexit.register(_close_default)
os.register_at_fork(after_in_child=_after_fork)
