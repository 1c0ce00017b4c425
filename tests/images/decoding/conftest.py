"""A decoder pool for the tests, and the little helpers that make image files."""

import io
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from images.decoding import DecoderPool, Limits
from images.decoding.deid.options import DeidOptions
from tests.conftest import PATIENCE_S

DEID = DeidOptions(secret=b"a secret of the tests, 32 bytes.")


@pytest.fixture(scope="module")
def pool():
    """One child for the whole module: what it survives is part of what is tested."""
    made = DecoderPool(Limits(size=1, timeout_s=PATIENCE_S))  # a busy machine is no reason to refuse a file here
    yield made
    made.close()


def encode(im: Image.Image, fmt: str, **options) -> bytes:
    """The file of an image in a format of Pillow."""
    buffer = io.BytesIO()
    im.save(buffer, fmt, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The image of a file."""
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def gradient(width: int = 120, height: int = 80) -> Image.Image:
    """Grey, dark on the left, bright on the right, with a white mark in the upper left corner."""
    im = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize((width, height))
    im.paste(255, (0, 0, width // 8, height // 8))
    return im


def noise(size: tuple[int, int], sigma: float, *, seed: int = 0) -> Image.Image:
    """Grey Gaussian noise around 128, the same for the same seed (Image.effect_noise differs from call to call)."""
    values = np.random.default_rng(seed).normal(128, sigma, size[::-1])
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def png_of(width: int, height: int, *, depth: int, colour: int, idat: bytes, extra: bytes = b"") -> bytes:
    """A PNG file written by hand; `extra` are chunks between IHDR and IDAT."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its length and CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def cpu_s(pool: DecoderPool) -> float:
    """The CPU seconds that the pool's only child has used: how long it took, whatever else the machine does."""
    (pid,) = pool.child_pids()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def gone(pid: int, within_s: float = PATIENCE_S) -> bool:
    """True once the process has ended (a zombie that waits for its reaper has)."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
