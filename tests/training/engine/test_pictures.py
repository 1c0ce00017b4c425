"""Pictures that are read as they are needed, and reading ahead."""

import threading
from contextlib import closing

import numpy as np
import pytest
import torch

from models_registry.inference.architectures import restored
from models_registry.inference.looks import TILES, Look
from models_registry.inference.names import COLOUR, WINDOWS
from models_registry.inference.predictor import predict_logits
from models_registry.inference.preprocess import Preprocess, shrink
from tests.conftest import PATIENCE_S
from tests.training.engine.builders import make_data, tiny_config
from training.engine import pictures
from training.engine.answering import logits_of
from training.engine.data import TrainData, UnitInputs
from training.engine.device import Device
from training.engine.ensemble import train
from training.engine.fit import fit
from training.engine.material import material
from training.engine.pictures import Chosen, Lazy, ahead, at_size, chosen, in_turn, read_ahead
from training.engine.report import OutOfMemory
from training.engine.series import Watch


class Slow(Lazy):
    """An array that pretends to be elsewhere."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array.shape)
        self.array = array
        self.most = 0

    def read(self, positions):
        self.most = max(self.most, len(positions))
        return self.array[positions]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def elsewhere(data: TrainData, size: int = 32) -> TrainData:
    train, val = (Slow(shrink(tiles, size)) for tiles in (data.train_tiles, data.val_tiles))
    return TrainData(train, data.train_labels, val, data.val_labels, data.n_classes)


def in_colour(data: TrainData, size: int = 32) -> TrainData:
    def coloured(tiles):
        small = shrink(tiles, size)
        return np.stack([small, 255 - small, small // 2], axis=-1)

    train, val = coloured(data.train_tiles), coloured(data.val_tiles)
    return TrainData(train, data.train_labels, val, data.val_labels, data.n_classes)


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("kind", [Slow, np.asarray])
def test_some_of_several_sets_are_as_those_of_one_array(kind):
    one, two = noise(5, 28, 28), 255 - noise(4, 28, 28)
    both = np.concatenate([one, two])
    positions = np.array([8, 0, 4, 5, 5, 2])
    some = Chosen([kind(one), kind(two)], positions)
    assert len(some) == 6
    for index in (slice(None), slice(1, 4), np.array([5, 0, 0]), np.array([-1])):
        assert np.array_equal(some[index], both[positions][index])
    again = chosen(some, np.array([4, 1]))
    assert np.array_equal(again[:], both[positions][[4, 1]])
    assert some.in_memory == (kind is np.asarray)
    assert chosen(one, slice(None)) is not one
    assert np.shares_memory(chosen(one, slice(1, 3)), one)


def test_parts_come_in_order_and_are_bounded_in_bytes(monkeypatch):
    array = noise(100, 32, 32)
    monkeypatch.setattr(pictures, "MOST_BYTES", 20 * 32 * 32)
    parts = list(in_turn(Slow(array), 8))
    assert [len(part) for part in parts] == [16] * 6 + [4]
    assert np.array_equal(np.concatenate(parts), array)
    assert list(in_turn(Slow(array[:0]))) == []
    assert np.array_equal(at_size(Slow(noise(3, 256, 256)), 40), shrink(noise(3, 256, 256), 40))


def test_only_so_many_parts_are_read_ahead_and_leaving_early_ends_the_threads():
    begun: list[int] = []
    last = threading.Event()

    def read(number: int) -> int:
        begun.append(number)
        if number == 1:
            last.set()
        return number

    with closing(read_ahead(read, range(1000))) as parts:
        assert next(parts) == 0
        assert last.wait(PATIENCE_S)
    assert len(begun) <= 1 + pictures.AHEAD
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_the_error_of_a_reader_comes_where_its_part_would_have():
    def read(number: int) -> int:
        if number == 3:
            raise OSError("gone")
        return number

    got = []
    with pytest.raises(OSError, match="gone"):
        got.extend(read_ahead(read, range(9)))
    with pytest.raises(OSError, match="gone"):
        for part in read_ahead(read, range(9)):
            got.append(part)
    assert got[-3:] == [0, 1, 2]


@pytest.mark.parametrize("coloured", [False, True])
def test_inputs_are_the_same_to_the_bit_and_in_the_same_layout_wherever_they_are(coloured):
    array = noise(20, 32, 32, 3) if coloured else noise(20, 32, 32)
    preprocess, cpu = Preprocess(32, 0.4, 0.2), Device.of("cpu")
    plan = [np.array([3, 1, 1]), np.array([19, 0]), np.arange(7)]
    here, there = UnitInputs(array, preprocess, cpu), UnitInputs(Slow(array), preprocess, cpu)
    for one, other, index in zip(here.through(plan), there.through(plan), plan, strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
        assert torch.equal(one, here.batch(index))
        assert torch.equal(one, there.batch(index))
        assert one.shape == (len(index), 3 if coloured else 1, 32, 32)


@pytest.mark.parametrize("shape", [(70, 32, 32), (70, 32, 32, 2), (70, 32, 32, 3)])
def test_levels_are_counted_part_by_part_for_each_channel(monkeypatch, shape):
    array = noise(*shape) // np.arange(1, 71, dtype=np.uint8).reshape(70, *[1] * (len(shape) - 1))
    looks = {3: TILES, 4: Look(COLOUR) if shape[-1] == 3 else Look(WINDOWS, windows=((0, 1), (2, 3)))}
    look = looks[len(shape)]
    monkeypatch.setattr(pictures, "MOST_PICTURES", 16)
    found = Preprocess.fitted_on(in_turn(Slow(array)), 32, look)
    assert found == Preprocess.fitted(array, 32, look)
    flat = array.reshape(-1, look.channels) / 255
    assert np.allclose(found.mean, flat.mean(axis=0), atol=1e-6)
    assert np.allclose(found.std, flat.std(axis=0), atol=1e-6)


CHANGES = {"grey": {}, "colour": {"sees": COLOUR}}


@pytest.mark.parametrize("look", CHANGES)
def test_a_run_on_pictures_elsewhere_is_the_same_run_and_goes_on_as_if_it_had_not_been_cut(look):
    config = tiny_config(epochs=3, **CHANGES[look])
    data = in_colour(make_data()) if look == "colour" else make_data()
    here = fit(data, config, device="cpu")
    there = elsewhere(data)
    saved: list[bytes] = []
    whole = fit(there, config, device="cpu", save_checkpoint=saved.append, checkpoint_interval_s=0)
    again = fit(there, config, device="cpu", resume=saved[0])
    for other in (whole, again):
        assert equal(here.state_dict, other.state_dict)
        assert np.array_equal(here.val_logits, other.val_logits)
    assert there.train_tiles.most <= max(config.batch_size + 2, pictures.MOST_PICTURES)
    network = restored(config.architecture, 2, here.state_dict, here.preprocess.channels)
    told = logits_of([network], here.preprocess, there.val_tiles)
    assert np.array_equal(told, predict_logits(network, here.preprocess, data.val_tiles))


def test_folds_and_features_of_pictures_elsewhere_are_the_same(known_weights):
    config = tiny_config(pretrained=True, epochs=2, frozen_epochs=1, folds=2)
    watch = Watch(lambda *_: None, lambda _: None, lambda: False)
    groups = tuple(f"p{number}" for number in range(24))
    data = make_data(16, 8)
    here, there = (train(one, config, watch, groups=groups, device="cpu") for one in (data, elsewhere(data)))
    assert np.array_equal(here.out_of_fold, there.out_of_fold)
    assert equal(here.members[0].state_dict, there.members[0].state_dict)
    limits = material(there.members[0], elsewhere(data), config)
    assert isinstance(limits.train, Slow)


def test_a_reader_without_memory_ends_the_run_as_any_step_does():
    class Greedy(Slow):
        def read(self, positions):
            if threading.current_thread().name.startswith("reader") and len(positions) <= 10:
                raise MemoryError
            return super().read(positions)

    data = elsewhere(make_data())
    greedy = TrainData(Greedy(data.train_tiles.array), data.train_labels, data.val_tiles, data.val_labels, 2)
    with pytest.raises(OutOfMemory):
        fit(greedy, tiny_config(epochs=1), device="cpu")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_pictures_in_memory_need_no_threads():
    with closing(ahead(noise(4, 28, 28), [slice(0, 2)], lambda _: threading.current_thread())) as parts:
        assert next(parts) is threading.main_thread()
    with closing(ahead(noise(4, 28, 28), [slice(0, 2)], lambda _: threading.current_thread(), threads=True)) as parts:
        assert next(parts) is not threading.main_thread()
