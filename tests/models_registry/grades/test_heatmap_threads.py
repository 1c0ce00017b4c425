"""The stored heat map is the same on a machine with more cores."""

import pytest
import torch

from models_registry.grades.heatmaps import overlay
from models_registry.inference.bundle import unpack
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from tests.training.engine.builders import make_bundle, make_tiles


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_heat_map_is_the_same_to_the_bit_on_one_thread_and_on_two(threads):
    # At this size oneDNN splits the convolutions' sums differently for two threads.
    predictor = Predictor(unpack(make_bundle(architecture="resnet18", preprocess=Preprocess(96, 0.5, 0.25, 1))))
    tile = make_tiles(1)[0][0]
    drawn = []
    for number in (1, 2):
        torch.set_num_threads(number)
        heat = predictor.heatmap(tile, 0)
        drawn.append((heat.tobytes(), overlay(heat)))
    assert heat.max() == 1.0
    assert drawn[0] == drawn[1]
