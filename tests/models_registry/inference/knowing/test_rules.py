"""What needs no statistic."""

import numpy as np
import pytest

from images.phantoms import phantom
from models_registry.inference.knowing.rules import quality, too_small


def film() -> np.ndarray:
    return np.asarray(phantom(3, 0, opacity=False).convert("L").resize((256, 256)))


def page(share: float) -> np.ndarray:
    """A film on an empty page of which it takes up this share."""
    side = round(256 * share**0.5)
    result = np.zeros((256, 256), np.uint8)
    result[:side, :side] = film()[:side, :side] // 2 + 100
    return result


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.full((256, 256), 77, np.uint8), "blank"),
        (RANDOM.integers(120, 126, (256, 256)).astype(np.uint8), "blank"),
        (RANDOM.integers(0, 256, (256, 256)).astype(np.uint8), "noise"),
        (np.clip(RANDOM.normal(90, 20, (256, 256)), 0, 255).astype(np.uint8), "noise"),
        (page(0.08), "mostly_empty"),
    ],
    ids=["one grey", "almost one grey", "even noise", "dark noise", "a stamp on a page"],
)
def test_a_picture_of_nothing_is_not_answered(picture, reason):
    assert quality(picture[None]) == [(reason,)]


@pytest.mark.parametrize(
    "change", [lambda x: x, lambda x: x[:, ::-1], lambda x: x // 2, lambda x: x // 4 + 100, lambda x: 255 - x]
)
def test_a_film_is_a_picture_however_it_is_exposed(change):
    assert quality(change(film())[None]) == [()]


def test_a_film_with_wide_empty_borders_is_one():
    assert quality(page(0.4)[None]) == [()]


@pytest.mark.parametrize(
    ("side", "smallest", "reasons"),
    [(63, 128, ("too_small",)), (64, 128, ()), (2000, 128, ()), (10, 0, ()), (0, 128, ())],
)
def test_a_picture_with_half_the_pixels_of_the_smallest_known_is_too_small(side, smallest, reasons):
    assert too_small(side, smallest) == reasons
