"""Facts that two packages must each state, because neither may import the other, are equal."""

from images.decoding.result import TILE_SIDE
from models_registry.inference import names


def test_a_tile_has_the_size_that_the_networks_read():
    assert names.TILE_SIDE == TILE_SIDE
