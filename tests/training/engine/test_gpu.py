"""The same trainings on a GPU. Where there is none these are skipped, and nothing else of the suite needs one."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models_registry.inference.architectures import restored
from models_registry.inference.names import COLOUR
from models_registry.inference.predictor import predict_logits
from models_registry.inference.preprocess import Preprocess
from tests.training.engine.builders import make_data, tiny_config
from training.engine import device, loop, state
from training.engine.config import TrainConfig
from training.engine.data import TrainData, UnitInputs
from training.engine.device import Device, out_of_memory
from training.engine.fit import fit
from training.engine.pictures import Lazy
from training.engine.report import FitResult
from training.engine.setup import initial_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
GPU = "cuda"
GIB = 2**30


def config(**changes) -> TrainConfig:
    return tiny_config(**{"architecture": "resnet_compact", "epochs": 8, "augment": 0.5, **changes})


@pytest.fixture
def known_weights(monkeypatch):
    network = initial_network("resnet18", 2, 99)
    known = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("fc.")}
    monkeypatch.setattr("training.engine.setup.load_pretrained", lambda *_, **__: known)


@pytest.fixture
def half_floats(monkeypatch):
    """As on a GPU that does not multiply bfloat16."""
    monkeypatch.setattr(Device, "of", classmethod(lambda cls, *_, **__: cls(GPU, torch.float16)))


def assert_learned(result: FitResult) -> None:
    assert result.history[result.best_epoch - 1].val_auroc == pytest.approx(1.0, abs=0.02)
    assert {value.device.type for value in result.state_dict.values()} == {"cpu"}


def test_an_easy_task_is_learned_and_answers_the_same_on_a_cpu():
    data, told = make_data(32, 16), config()
    result = fit(data, told, device=GPU)
    assert_learned(result)
    network = restored(told.architecture, 2, result.state_dict)
    logits = predict_logits(network, result.preprocess, data.val_tiles)
    assert np.abs(logits - result.val_logits).max() < 0.02


def test_a_transfer_run_reads_features_opens_stages_and_resumes(known_weights):
    data, told = make_data(32, 16), config(architecture="resnet18", pretrained=True, epochs=6, frozen_epochs=2)
    whole = fit(data, told, device=GPU)
    assert {report.phase for report in whole.history} == {"frozen", "full"}
    for after in (1, 3):
        saved: list[bytes] = []
        options = {"save_checkpoint": saved.append, "checkpoint_interval_s": 0, "device": GPU}
        assert fit(data, told, should_stop=lambda: len(saved) == after, **options).stopped  # noqa: B023
        again = fit(data, told, resume=saved[-1], device=GPU)
        assert [report.epoch for report in again.history] == [report.epoch for report in whole.history]
        assert np.abs(again.val_logits - whole.val_logits).max() < 0.5


def test_in_float16_the_loss_is_scaled_and_its_scale_survives_a_resume(half_floats):
    data, told = make_data(32, 16), config()
    saved: list[bytes] = []
    assert fit(
        data, told, save_checkpoint=saved.append, checkpoint_interval_s=0, should_stop=lambda: len(saved) == 3
    ).stopped
    assert_learned(fit(data, told, resume=saved[-1]))
    assert_learned(fit(data, told))


def test_after_a_loss_that_is_not_finite_the_epoch_begins_again(monkeypatch):
    sound = loop._loss

    def once(run: state.State, x: Tensor, target: Tensor) -> Tensor:
        return sound(run, x, target) * (float("nan") if run.backoffs == 0 and run.epoch == 1 else 1.0)

    monkeypatch.setattr(loop, "_loss", once)
    result = fit(make_data(32, 16), config(), device=GPU)
    assert_learned(result)
    assert "half the learning rate" in result.history[1].note


@pytest.fixture
def little_memory():
    """Less of the GPU than a batch of the test below takes, and more than a part of one."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(3 * GIB / torch.cuda.get_device_properties(GPU).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_when_memory_really_runs_out_the_batch_is_taken_in_parts(little_memory):
    told = config(architecture="resnet18", image_size=256, batch_size=256, epochs=2)
    result = fit(make_data(256, 8), told, device=GPU)
    assert "memory ran out" in result.history[0].note
    assert len(result.history) == 2
    assert not out_of_memory(RuntimeError("some other failure"))


def test_what_is_compiled_learns_as_well(known_weights):
    data = make_data(36, 16)
    told = config(architecture="resnet18", pretrained=True, epochs=6, frozen_epochs=2)
    assert_learned(fit(data, config(), device=GPU, compiled=True))
    assert len(fit(data, told, device=GPU, compiled=True).history) == told.epochs


def test_a_run_is_stopped_at_the_next_step():
    asked: list[None] = []

    def stop_at_the_tenth() -> bool:
        asked.append(None)
        return len(asked) == 10

    assert fit(make_data(32, 16), config(epochs=500), should_stop=stop_at_the_tenth, device=GPU).stopped
    assert len(asked) == 10


class Elsewhere(Lazy):
    """An array that is read as it is needed."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array.shape)
        self.array = array

    def read(self, positions):
        return self.array[positions]


def coloured(data: TrainData, size: int, kept=np.asarray) -> TrainData:
    """The class is told by the colour of the square alone."""

    def painted(tiles, labels):
        small = np.kron(tiles[:, ::4, ::4], np.ones((1, size // 64, size // 64), dtype=np.uint8))
        flat = np.stack([small, small, small], axis=-1)
        for picture, label in zip(flat, labels, strict=True):
            picture[..., int(label)] = np.minimum(picture[..., int(label)], 60)
        return kept(flat)

    train, val = painted(data.train_tiles, data.train_labels), painted(data.val_tiles, data.val_labels)
    return TrainData(train, data.train_labels, val, data.val_labels, 2)


def test_colours_at_512_pixels_are_learned_and_answer_the_same_on_a_cpu():
    told = config(image_size=512, sees=COLOUR, batch_size=8)
    data = coloured(make_data(32, 16), 512)
    result = fit(data, told, device=GPU)
    assert_learned(result)
    network = restored(told.architecture, 2, result.state_dict, result.preprocess.channels)
    assert np.abs(predict_logits(network, result.preprocess, data.val_tiles) - result.val_logits).max() < 0.02


@pytest.mark.parametrize("share", [0.25, 0.0], ids=["resident", "sent batch by batch"])
def test_what_is_read_as_it_is_needed_gives_the_same_inputs(monkeypatch, share):
    monkeypatch.setattr(device, "RESIDENT_SHARE", share)
    array = coloured(make_data(24, 8), 64).train_tiles
    plan, preprocess = [np.array([3, 1, 1]), np.array([23, 0, 7])], Preprocess(64, 0.5, 0.25)
    for kept in (array, Elsewhere(array)):
        inputs = UnitInputs(kept, preprocess, Device.of(GPU))
        for index, unit in zip(plan, inputs.through(plan), strict=True):
            assert unit.device.type == "cuda"
            wanted = torch.from_numpy(array[index]).permute(0, 3, 1, 2).float() / 255
            assert torch.equal(unit.cpu(), wanted)
            assert torch.equal(inputs.batch(index).cpu(), wanted)


def test_a_run_larger_than_the_memory_of_the_gpu_learns_and_is_resumed(monkeypatch):
    monkeypatch.setattr(device, "RESIDENT_SHARE", 0.0)
    told, data = config(image_size=512, sees=COLOUR, batch_size=8), coloured(make_data(32, 16), 512, kept=Elsewhere)
    saved: list[bytes] = []
    options = {"save_checkpoint": saved.append, "checkpoint_interval_s": 0, "device": GPU}
    assert fit(data, told, should_stop=lambda: len(saved) == 2, **options).stopped
    assert_learned(fit(data, told, resume=saved[-1], device=GPU))
