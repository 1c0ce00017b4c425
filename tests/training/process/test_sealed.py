"""Pixels on the disk are as those in memory, and nobody else can read them."""

import os
from pathlib import Path

import numpy as np
import pytest

from training.process import sealed
from training.process.sealed import PixelsUnkept, SealedPixels


@pytest.fixture(autouse=True)
def folder(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def kept(pixels: np.ndarray) -> SealedPixels:
    array = SealedPixels(pixels.shape)
    for position in reversed(range(len(pixels))):
        array.put(position, pixels[position])
    return array


@pytest.mark.parametrize("shape", [(9, 30, 30), (9, 30, 30, 3), (9, 28, 28, 2), (0, 30, 30)])
def test_it_is_the_array_for_every_way_to_ask(shape):
    pixels = noise(*shape)
    array = kept(pixels)
    assert (array.shape, array.ndim, array.dtype, len(array)) == (pixels.shape, pixels.ndim, pixels.dtype, len(pixels))
    assert array.nbytes == pixels.nbytes
    n = len(pixels)
    asked = [slice(None), slice(2, 5), slice(7, 99), slice(-3, None), slice(None, None, 2), slice(5, 2), slice(0, 0)]
    asked += [np.arange(n), np.arange(n)[::-1], np.array([], dtype=np.int64)]
    if n:
        asked += [np.array([4, 4, 0, 8]), np.array([-1, -9]), np.arange(n) % 2 == 0]
    for index in asked:
        assert np.array_equal(array[index], pixels[index]), index
        assert array[index].dtype == np.uint8
    if n:
        with pytest.raises(IndexError):
            array[np.array([n])]


def test_nothing_of_it_can_be_read_on_the_disk_and_no_file_has_a_name(folder):
    pixels = np.full((4, 32, 32), 200, dtype=np.uint8)
    pixels[2] = noise(32, 32)
    array = kept(pixels)
    assert list(folder.iterdir()) == []
    number = array._file.fileno()
    raw = os.pread(number, os.fstat(number).st_size, 0)
    assert len(raw) == 4 * (32 * 32 + 16)
    # Equal pictures are told by nothing, and no run of pixels is there as it was.
    assert bytes([200]) * 8 not in raw
    assert pixels[2, 0, :8].tobytes() not in raw
    assert raw[: 32 * 32] != raw[32 * 32 + 16 : 2 * 32 * 32 + 16]
    array.close()
    assert kept(pixels)._cipher is not array._cipher


@pytest.mark.parametrize("damage", ["a bit", "another scan", "the end is missing"])
def test_what_was_changed_on_the_disk_is_found_out(damage):
    array = kept(noise(3, 32, 32))
    number, size = array._file.fileno(), 32 * 32 + 16
    if damage == "a bit":
        before = os.pread(number, 1, size + 100)
        os.pwrite(number, bytes([before[0] ^ 1]), size + 100)
    elif damage == "another scan":
        os.pwrite(number, os.pread(number, size, 0), size)
    else:
        os.ftruncate(number, size + 50)
    array[np.array([0])]
    with pytest.raises(PixelsUnkept, match="start the run again"):
        array[np.array([0, 1])]


def test_a_scan_that_was_not_written_is_not_made_up_and_none_is_written_twice():
    array = SealedPixels((3, 32, 32))
    array.put(2, noise(32, 32))
    with pytest.raises(PixelsUnkept):
        array[np.array([1])]
    with pytest.raises(ValueError, match="scan 2 has been written"):
        array.put(2, noise(32, 32, seed=1))
    with pytest.raises(ValueError, match="another shape"):
        array.put(0, noise(32, 31))


def test_a_write_that_is_cut_short_goes_on(monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(sealed.os, "pwrite", lambda number, data, at: real(number, data[:100], at))
    pixels = noise(2, 32, 32)
    assert np.array_equal(kept(pixels)[:], pixels)
