"""Pixels that the processes of one host have in common: each reads a part of the scans, and none is kept twice.

What one of them has made, memory or a file, has no name; the others open it through the kernel (`/proc/PID/fd`), which lets in
nobody but the same user. When the last of them ends, it is gone.
"""

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from models_registry.inference.preprocess import Pixels
from training.engine.group import Group, PeerLost
from training.process.sealed import SealedPixels

LOOK_S: Final = 0.05
KEY_BITS: Final = 256


def array(group: Group, name: str, shape: tuple[int, ...]) -> Pixels:
    """uint8 of this shape, in memory that all processes of the host see. `name`: of this array among those of the run."""
    size = int(np.prod(shape, dtype=np.int64))
    if group.local_size == 1 or not size:
        return np.empty(shape, dtype=np.uint8)
    memory = mmap.mmap(_common(group, name, lambda: _memory(size)), size)
    return np.frombuffer(memory, dtype=np.uint8).reshape(shape)


def sealed(group: Group, name: str, shape: tuple[int, ...]) -> SealedPixels:
    """The same on the disk, sealed. The key is in the memory of these processes alone."""
    if group.local_size == 1:
        return SealedPixels(shape)
    key = os.pread(_common(group, f"{name}/key", _key), KEY_BITS // 8, 0)
    return SealedPixels(shape, key=key, descriptor=_common(group, f"{name}/file", _file))


def own(group: Group, count: int) -> range:
    """The positions that this process reads, of `count`."""
    return range(group.local_rank, count, group.local_size)


def _common(group: Group, name: str, made: Callable[[], int]) -> int:
    """A descriptor of what the first process of the host makes. Raises PeerLost in the others where that one has ended."""
    key = f"host/{group.host}/{name}"
    if group.local_rank == 0:
        descriptor = made()
        group.note(key, f"/proc/{os.getpid()}/fd/{descriptor}")
        return descriptor
    while (place := group.noted(key)) is None:
        time.sleep(LOOK_S)
    try:
        return os.open(place, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise PeerLost(f"the first process of this host has ended: {error}") from error


def _memory(size: int) -> int:
    descriptor = os.memfd_create("pixels")
    os.ftruncate(descriptor, size)
    return descriptor


def _key() -> int:
    descriptor = os.memfd_create("key")
    os.write(descriptor, AESGCM.generate_key(KEY_BITS))
    return descriptor


def _file() -> int:
    with tempfile.TemporaryFile(dir=settings.DATA_DIR) as file:
        return os.dup(file.fileno())
