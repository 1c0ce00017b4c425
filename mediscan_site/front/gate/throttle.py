"""How often one caller may ask, decided before anything else: 429 with Retry-After, so that one loop cannot eat the threads. (How
much at once: `lanes`.) Limits are far above what people, the viewer, the bridge and polling programs do (docs/operations.md).

A caller is an account, over all its sessions and tokens. Who sent a cookie or token is learned from Django's answer and kept for
a while, so nobody is looked up for this; until then, and for whoever is not signed in, the address counts.

The memory is shared by the web processes of a machine and lies in a file of theirs: no service to ask, and none that can be away.
Several machines each allow as much, for each has threads of its own to protect. It needs no lock: of two processes that write
the same eight bytes at the same moment, one request goes uncounted."""

import asyncio
import hashlib
import mmap
import os
import re
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from mediscan_site.core import counting
from mediscan_site.core.http.addresses import caller_address, counted_address
from mediscan_site.front.gate import limits
from mediscan_site.front.gate.environ import Scope, header
from mediscan_site.front.gate.lanes import PROBE_PATHS
from mediscan_site.front.gate.refusals import too_often

READING, WRITING, UPLOADS, EXPENSIVE, STRANGERS = "reading", "writing", "uploads", "expensive", "strangers"
# So many seconds' worth may come at once.
BURST_S: Final = 10.0
# Somebody a little too quick is held back for so long rather than refused; whoever is refused hears it after a moment, or a
# loop without a pause would keep this process busy with refusing.
HELD_S: Final = 1.0
REFUSED_S: Final = 1.0
KNOWN_S: Final = 900.0
MOST_KNOWN: Final = 20_000
STATIC: Final = "/static/"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
# What reads a whole list, or many.
SEARCHES: Final = ("/search/", "/palette/")
_NEW_EXPORT: Final = re.compile(r"/exports/(new/)?$")
_CSV: Final = re.compile(rb"(^|&)format=csv(&|$)")


@dataclass(frozen=True)
class Caller:
    """Who asks, and the kind of what they ask for."""

    who: str
    kind: str

    @property
    def is_expensive(self) -> bool:
        return self.kind == EXPENSIVE


class Shared:
    """When each caller may ask next, by the system's clock: the generic cell rate algorithm, eight bytes a caller. Two callers
    meet in one place only where SLOTS are used up, and then the one who asked less lately is forgotten."""

    _ENTRY: Final = struct.Struct("<Qd")
    SLOTS: Final = 16_384
    NEAR: Final = 8

    def __init__(self, folder: str | None) -> None:
        size = self.SLOTS * self._ENTRY.size
        if folder is None:
            self._memory = mmap.mmap(-1, size)
            return
        handle = os.open(Path(folder) / "callers", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, size)
            self._memory = mmap.mmap(handle, size)
        finally:
            os.close(handle)

    def wait(self, who: str, rate: float, *, most: float) -> float:
        """Seconds until this caller's next request is in time, counted as made when they are at most `most`; 0: it is now."""
        now, key = time.monotonic(), _digest(who)
        place, due = self._place(key, now)
        if due > now + BURST_S + HELD_S + 1.0 / rate:
            # Nobody is ever so far ahead: the file is older than this machine's clock (which begins anew with the machine),
            # or half of another process's write was read.
            due = now
        wait = max(0.0, due - now - BURST_S)
        if wait <= most:
            self._ENTRY.pack_into(self._memory, place, key, max(due, now) + 1.0 / rate)
        return wait

    def _place(self, key: int, now: float) -> tuple[int, float]:
        """Where this caller stands, or may: its own place, else the one of whoever asked least lately."""
        oldest, free = float("inf"), 0
        for step in range(self.NEAR):
            place = (key + step) % self.SLOTS * self._ENTRY.size
            known, due = self._ENTRY.unpack_from(self._memory, place)
            if known == key:
                return place, due
            if due < oldest:
                oldest, free = due, place
        return free, now


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Throttle:
    """Of one process."""

    def __init__(self, folder: str | None) -> None:
        self._shared = Shared(folder)
        self._known: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._rates: dict[str, int] = settings.THROTTLE

    async def admit(self, scope: Scope) -> Caller:
        """Who asks, once it is time. Raises Refused (429) for whoever asks far too often."""
        caller = self.caller(scope)
        rate = self._rates[caller.kind] if is_counted(scope["path"]) else 0
        if rate:
            wait = self._shared.wait(f"{caller.kind} {caller.who}", rate, most=HELD_S)
            if wait > HELD_S:
                counting.THROTTLED.labels(caller.kind).inc()
                await asyncio.sleep(REFUSED_S)
                raise too_often(int(wait) + 1)
            if wait:
                await asyncio.sleep(wait)
        return caller

    def caller(self, scope: Scope) -> Caller:
        user, until = self._known.get(_credentials(scope) or b"", (0, 0.0))
        if until < time.monotonic():
            return Caller(f"address {counted_address(_address(scope))}", STRANGERS)
        return Caller(f"account {user}", kind_of(scope))

    def learn(self, scope: Scope, user: int | None) -> None:
        """Whose the cookie or token of an answered request is; None: nobody looked, or it is nobody's."""
        sent = _credentials(scope)
        if sent is None or user is None:
            return
        self._known[sent] = (user, time.monotonic() + KNOWN_S)
        self._known.move_to_end(sent)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def is_counted(path: str) -> bool:
    return path not in PROBE_PATHS and not path.startswith(STATIC)


def kind_of(scope: Scope) -> str:
    path, method = scope["path"], scope["method"]
    if method in SAFE:
        return EXPENSIVE if path in SEARCHES or _CSV.search(scope["query_string"]) else READING
    if limits.takes_files(path, method):
        return UPLOADS
    return EXPENSIVE if _NEW_EXPORT.search(path) else WRITING


def _credentials(scope: Scope) -> bytes | None:
    """A digest of what was sent to say who one is."""
    said = header(scope, b"authorization"), _session(header(scope, b"cookie"))
    return hashlib.blake2b(b"\n".join(part or b"" for part in said), digest_size=16).digest() if any(said) else None


def _session(cookie: bytes | None) -> bytes | None:
    """The session's own cookie: others come and go."""
    name = f"{settings.SESSION_COOKIE_NAME}=".encode()
    parts = (part.strip() for part in (cookie or b"").split(b";"))
    return next((part for part in parts if part.startswith(name)), None)


def _address(scope: Scope) -> str:
    client: Any = scope.get("client") or ("", 0)
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    return caller_address(client[0], forwarded.decode("latin-1"))
