"""A heat map lies on the scan: what a network saw at a place of a long scan is hot at this place, however the scan was fitted."""

import numpy as np
import pytest
import torch

from models_registry.inference import heat
from models_registry.inference.architectures import COMPACT, build
from models_registry.inference.bundle import pack, unpack
from models_registry.inference.looks import COLOUR, GREY, LETTERBOX, SQUASH, TILES, Look
from models_registry.inference.pictures import ReferenceView
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from tests.training.engine.builders import make_manifest

SIZE = 96


def finds_light(look: Look) -> Predictor:
    """A network that averages, and whose second class is: there is light."""
    channels = look.channels
    state = build(COMPACT, 2, channels).state_dict()
    for name, value in state.items():
        if value.ndim == 4:
            value.fill_(1 / value[0].numel())
        elif name == "fc.weight":
            value.copy_(torch.stack([-torch.ones_like(value[0]), torch.ones_like(value[0])]))
    level = (0.0,) * channels, (1.0,) * channels
    preprocess = Preprocess(SIZE, *(level if channels > 1 else (0.0, 1.0)), channels, look)
    return Predictor(unpack(pack(make_manifest(preprocess=preprocess), state)))


def spot(width: int, height: int, x: float, y: float, *, coloured: bool) -> ReferenceView:
    """Dark, with a light spot at these shares of the width and the height."""
    rows, columns = np.mgrid[:height, :width]
    near = (rows - y * height) ** 2 + (columns - x * width) ** 2 < (min(width, height) / 8) ** 2
    pixels = np.where(near, 250, 10).astype(np.uint8)
    return ReferenceView(np.repeat(pixels[:, :, None], 3, axis=2) if coloured else pixels)


@pytest.mark.parametrize("shape", [SQUASH, LETTERBOX])
@pytest.mark.parametrize("sees", [GREY, COLOUR])
@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300)])
def test_the_peak_lies_on_the_spot_in_both_shapes(width, height, sees, shape):
    look = Look(sees, shape)
    predictor = finds_light(look)
    x, y = 0.8, 0.3
    (pixels,) = predictor.manifest.preprocess.pixels([spot(width, height, x, y, coloured=look.is_colour)])
    found = heat.on_scan(predictor.heatmap(pixels, 1), predictor.manifest.preprocess, width, height)
    expected = (171, 512) if width > height else (512, 171)
    assert found.shape == expected
    assert found.dtype == np.float32
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    hot = np.argwhere(found >= 0.97 * found.max()).mean(axis=0)
    # Within a cell or two of the network's map.
    assert hot[1] / found.shape[1] == pytest.approx(x, abs=0.12)
    assert hot[0] / found.shape[0] == pytest.approx(y, abs=0.12)


def test_a_map_of_a_tile_is_stretched_to_the_scan():
    square = np.zeros((256, 256), dtype=np.float32)
    square[:, 192:] = 1
    preprocess = Preprocess(64, 0.5, 0.2, 1, TILES)
    found = heat.on_scan(square, preprocess, 2000, 500)
    assert found.shape == (128, 512)
    assert not found[:, :370].any()
    assert (found[:, 400:] == 1).all()


def test_what_lies_in_the_margin_lies_nowhere_on_the_scan():
    square = np.zeros((256, 256), dtype=np.float32)
    square[:80] = 1
    square[128] = 0.5
    found = heat.on_scan(square, Preprocess(96, 0.5, 0.2, 1, Look(GREY, LETTERBOX)), 300, 100)
    assert found.max() <= 0.5
