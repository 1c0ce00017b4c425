import numpy as np
import pytest
import torch

from models_registry.inference.preprocess import Preprocess, shrink
from tests.training.engine.builders import make_tiles


def test_a_tile_becomes_a_normalised_tensor_of_the_asked_size():
    tiles = np.full((2, 256, 256), 51, dtype=np.uint8)
    tensor = Preprocess(64, 0.1, 0.5, 1).to_tensor(tiles)
    assert tensor.shape == (2, 1, 64, 64)
    assert tensor.dtype == torch.float32
    assert torch.allclose(tensor, torch.tensor((51 / 255 - 0.1) / 0.5), atol=1e-6)


def test_three_channels_repeat_the_grey_one():
    tensor = Preprocess(48, 0.5, 0.2, 3).to_tensor(make_tiles(1)[0])
    assert tensor.shape == (1, 3, 48, 48)
    assert torch.equal(tensor[:, 0], tensor[:, 2])


def test_shrinking_averages_instead_of_skipping_pixels():
    stripes = np.zeros((1, 256, 256), dtype=np.uint8)
    stripes[:, :, ::2] = 255
    inner = Preprocess(32, 0.0, 1.0, 1).to_tensor(stripes)[..., 2:-2]
    assert torch.allclose(inner, torch.tensor(0.5), atol=0.02)


def test_fitted_statistics_make_the_training_tiles_zero_mean_and_unit_variance():
    tiles, _ = make_tiles(6)
    tensor = Preprocess.fitted(tiles, 256).to_tensor(tiles)
    assert abs(float(tensor.mean())) < 1e-4
    assert abs(float(tensor.std()) - 1) < 1e-4


def test_it_survives_a_round_through_a_dictionary():
    preprocess = Preprocess(64, 0.4, 0.2, 1)
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((16, 0.5, 0.2, 1), "size"),
        ((300, 0.5, 0.2, 1), "size"),
        ((64, 0.5, 0.0, 1), "std"),
        ((64, float("nan"), 0.2, 1), "mean"),
        ((64, 0.5, 0.2, 2), "channels"),
    ],
)
def test_a_wrong_value_is_named(values, named):
    with pytest.raises(ValueError, match=named):
        Preprocess(*values)


def test_a_missing_value_is_named():
    with pytest.raises(ValueError, match="std"):
        Preprocess.from_dict({"size": 64, "mean": 0.5, "channels": 1})


@pytest.mark.parametrize(
    "tiles", [np.zeros((1, 256, 256)), np.zeros((256, 256), np.uint8), np.zeros((1, 8, 8), np.uint8)]
)
def test_anything_but_tiles_is_refused(tiles):
    with pytest.raises(ValueError, match="tiles must be uint8"):
        Preprocess(64, 0.5, 0.2, 1).to_tensor(tiles)


def test_tiles_are_shrunk_to_whole_grey_levels_however_many_at_once():
    tiles, _ = make_tiles(131)
    small = shrink(tiles, 28)
    assert (small.shape, small.dtype) == ((131, 28, 28), np.uint8)
    assert np.array_equal(small[127:130], shrink(tiles[127:130], 28))
    assert shrink(small, 28) is small
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(tiles[:4].astype(np.float32)).unsqueeze(1), (28, 28), mode="bilinear", antialias=True
    )
    assert float((exact[:, 0] - torch.from_numpy(small[:4].astype(np.float32))).abs().max()) <= 0.5


def test_tiles_shrunk_to_another_size_are_refused():
    with pytest.raises(ValueError, match="tiles must be uint8"):
        Preprocess(64, 0.5, 0.2).to_tensor(shrink(make_tiles(1)[0], 28))
