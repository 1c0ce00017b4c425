"""The pixels of a run that do not fit into memory: on the disk, sealed scan by scan under a key that exists only in this process.

The file has no name, so nothing of it is left when the process ends, however it ends."""

import os
import tempfile
from typing import IO, Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from mediscan_site.core.storage import room
from mediscan_site.core.storage.envelope import TAG_SIZE
from models_registry.inference.preprocess import Pixels
from training.engine.pictures import Lazy, Positions
from training.memory import MIB, budget

GIB: Final = 2**30
NONCE_SIZE: Final = 12


class PixelsUnkept(Exception):
    """The pixels of a run cannot be kept on the disk, or read from it again; the message says what to do."""


def require_room(size: int) -> None:
    """PixelsUnkept unless so many bytes of pixels fit on the disk, beside what must stay free there."""
    disk = room.disk(settings.DATA_DIR)
    if size > disk.free - disk.floor:
        raise PixelsUnkept(
            f"The pixels of all scans take {size / GIB:.1f} GiB at this picture size. That is more than a training may keep in "
            f"memory ({budget() / MIB:.0f} MB, TRAINING_CACHE_MB), and more than is free on the disk of {settings.DATA_DIR}: "
            f"{max(0, disk.free - disk.floor) / GIB:.1f} GiB. Choose a smaller picture size, or ask an administrator to make room."
        )


class SealedPixels(Lazy):
    """Pixels uint8 of this shape. Each scan is written once, by `put`, before it is read; several threads may read.

    AES-256-GCM under a random key of this array; the position of a scan is its nonce and is authenticated with it, so that no
    scan can stand in for another one."""

    def __init__(self, shape: tuple[int, ...], *, key: bytes | None = None, descriptor: int | None = None) -> None:
        """`key` and `descriptor` of a file: where several processes, each of which puts other scans, have them in common."""
        super().__init__(shape)
        self._each = int(np.prod(shape[1:]))
        self._written = np.zeros(shape[0], dtype=np.bool_)
        self._cipher = AESGCM(key or AESGCM.generate_key(256))
        # It lives as long as the array.
        self._file: IO[bytes] = (
            tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115
            if descriptor is None
            else os.fdopen(descriptor, "r+b")
        )

    def put(self, position: int, pixels: Pixels) -> None:
        if self._written[position] or pixels.shape != self.shape[1:] or pixels.dtype != self.dtype:
            # A second text under the same nonce would give both away.
            raise ValueError(f"scan {position} has been written, or has another shape: {pixels.dtype} {pixels.shape}")
        self._written[position] = True
        nonce = position.to_bytes(NONCE_SIZE, "big")
        sealed = memoryview(self._cipher.encrypt(nonce, np.ascontiguousarray(pixels).data.cast("B"), nonce))
        at = position * (self._each + TAG_SIZE)
        while sealed:
            count = os.pwrite(self._file.fileno(), sealed, at)
            sealed, at = sealed[count:], at + count

    def read(self, positions: Positions) -> Pixels:
        found = np.empty((len(positions), *self.shape[1:]), dtype=np.uint8)
        for row, position in zip(found.reshape(len(positions), self._each), positions.tolist(), strict=True):
            self._open(position, row)
        return found

    def _open(self, position: int, into: Pixels) -> None:
        size = self._each + TAG_SIZE
        nonce = position.to_bytes(NONCE_SIZE, "big")
        try:
            sealed = os.pread(self._file.fileno(), size, position * size)
            if len(sealed) != size:
                raise InvalidTag
            self._cipher.decrypt_into(nonce, sealed, nonce, into.data)
        except (InvalidTag, OSError) as error:
            raise PixelsUnkept(
                f"What this training had put on the disk of {settings.DATA_DIR} does not come back as it was: the disk may be "
                "faulty. Ask an administrator to look at it, and start the run again."
            ) from error

    def close(self) -> None:
        self._file.close()
