"""More than 8 bits per channel in PNG and TIFF: shown with their contrast, or refused by name."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from images.decoding import Decoded, Undecodable
from tests.images.decoding.conftest import encode, opened, png_of
from tests.images.decoding.tiffs import tiff

Y, X = np.mgrid[0:70, 0:90]
GREY = (X * 40 + Y * 3).astype(np.uint16)  # 12 bits
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)
OPAQUE = np.full((70, 90, 1), 65535, np.uint16)


def png(values: np.ndarray, *, filtered: int = 0) -> bytes:
    """A PNG of 16 bits; `filtered`: the filter that is named for each row (0 none, 2 up)."""
    colour = {2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = values.astype(">u2").reshape(values.shape[0], -1).view(np.uint8)
    if filtered == 2:
        rows = np.concatenate([rows[:1], rows[1:] - rows[:-1]])
    body = b"".join(bytes([filtered]) + row.tobytes() for row in rows)
    return png_of(values.shape[1], values.shape[0], depth=16, colour=colour, idat=zlib.compress(body))


def shown(decoded: Decoded) -> np.ndarray:
    return np.asarray(opened(decoded.rendition)).astype(int)


def looks_like(decoded: Decoded, values: np.ndarray) -> bool:
    """The same picture, with more than 100 of 256 levels."""
    pixels = shown(decoded)
    assert pixels.shape == values.shape
    assert len(np.unique(pixels)) > 100
    return bool(np.corrcoef(pixels.ravel(), values.ravel().astype(float))[0, 1] > 0.999)


@pytest.mark.parametrize("filtered", [0, 2])
@pytest.mark.parametrize("factor", [1, 15])
def test_sixteen_bits_per_channel_in_a_png_keep_their_contrast(pool, filtered, factor):
    grey, colour = GREY * factor, COLOUR * factor
    opaque = np.concatenate([colour, OPAQUE], axis=2)
    assert looks_like(pool.decode(png(np.repeat(grey[..., None], 3, axis=2), filtered=filtered)), grey)
    assert looks_like(pool.decode(png(np.concatenate([grey[..., None], OPAQUE], axis=2), filtered=filtered)), grey)
    assert looks_like(pool.decode(png(colour, filtered=filtered)), colour)
    assert looks_like(pool.decode(png(opaque, filtered=filtered)), colour)


def test_how_many_bits_are_used_is_said(pool):
    said = [" ".join(pool.decode(png(COLOUR * factor)).notes) for factor in (1, 15)]
    assert "16 bits per channel, of which 12 are used" in said[0]
    assert "16 bits per channel; the 8 most significant" in said[1]
    assert "Values from" in " ".join(pool.decode(png(np.repeat(GREY[..., None], 3, axis=2))).notes)


def test_transparent_parts_of_deep_grey_are_black(pool):
    alpha = OPAQUE.copy()
    alpha[:, :40] = 0
    decoded = pool.decode(png(np.concatenate([GREY[..., None] + np.uint16(2000), alpha], axis=2)))
    assert shown(decoded)[:, :40].max() == 0
    assert any("Transparent" in note for note in decoded.notes)


KINDS = {
    "colour of 12 bits": (COLOUR, COLOUR),
    "colour of 16 bits": (COLOUR * 15, COLOUR),
    "grey as colour": (np.repeat(GREY[..., None], 3, axis=2), GREY),
    "grey and alpha": (np.concatenate([GREY[..., None], OPAQUE], axis=2), GREY),
    "colour and alpha": (np.concatenate([COLOUR, OPAQUE], axis=2), COLOUR),
    "float": (GREY.astype(np.float32) / 7, GREY),
    "double": (GREY.astype(np.float64) / 7, GREY),
    "signed": (GREY.astype(np.int16) - 2000, GREY),
    "signed 32": (GREY.astype(np.int32) * 400_000 - 10**9, GREY),
    "unsigned 32": (GREY.astype(np.uint32) * 1_000_000, GREY),
    "grey": (GREY, GREY),
}
# libtiff takes such planes together in its own way.
APART = ("colour of 12 bits", "grey as colour", "colour and alpha")


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_a_tiff_of_each_kind_shows_its_picture_or_says_that_it_is_not_supported(pool, name, big, deflated, planar):
    values, expected = KINDS[name]
    data = tiff(values, planar=planar, big=big, deflated=deflated, alpha="alpha" in name)
    if planar and (name == "grey and alpha" or (deflated and name in APART)):
        with pytest.raises(Undecodable, match="lie apart"):
            pool.decode(data)
        return
    decoded = pool.decode(data)
    assert decoded.bits == 16
    assert looks_like(decoded, expected)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff(GREY, compression=34712), "JPEG 2000"),
        (tiff(GREY, compression=50002), "JPEG XL"),
        (tiff(GREY, compression=34887), "number 34887"),
        (tiff(GREY.astype(np.uint64)), "bits per channel"),
        (tiff(np.repeat(GREY[..., None], 5, axis=2)), "bits per channel"),
    ],
)
def test_a_tiff_that_cannot_be_read_is_named_for_what_it_is(pool, data, words):
    with pytest.raises(Undecodable, match=words) as caught:
        pool.decode(data)
    assert caught.value.code == "unsupported_format"
    assert "damaged" not in caught.value.detail


def test_a_frequent_value_far_from_all_others_is_no_part_of_the_range(pool):
    values = np.tile(np.arange(1, 733, dtype=np.uint16), (100, 1))
    for far in (65535, 30_000):
        values[0] = far
        assert len(np.unique(shown(pool.decode(encode(Image.fromarray(values), "PNG"))))) > 200


def test_half_of_a_deep_png_is_still_truncated(pool):
    data = png(COLOUR)
    with pytest.raises(Undecodable) as caught:
        pool.decode(data[: len(data) // 2])
    assert caught.value.code in ("truncated", "corrupt")
    assert struct.unpack(">I", data[16:20]) == (90,)
