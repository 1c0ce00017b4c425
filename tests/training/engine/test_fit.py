from dataclasses import replace

import numpy as np
import pytest
import torch

from models_registry.inference.bundle import ClassRef, unpack
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess, shrink
from tests.training.engine.builders import know_weights, make_data, make_tiles, tiny_config
from training.engine import loop, weights
from training.engine.calibrating import divide, scans_of
from training.engine.checkpoint import CheckpointError
from training.engine.config import ConfigError
from training.engine.data import UnitInputs
from training.engine.device import Device
from training.engine.fit import fit
from training.engine.package import make_bundle
from training.engine.report import EpochReport, TrainingDiverged


@pytest.fixture(scope="module")
def result():
    return fit(make_data(), tiny_config(epochs=3), device="cpu")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_an_easy_task_is_learned_from_scratch():
    data = make_data(32, 16)
    result = fit(data, tiny_config(epochs=4, augment=0.5), device="cpu")
    best = result.history[result.best_epoch - 1]
    assert best.val_auroc == pytest.approx(1.0, abs=0.02)
    # Scans this easy may be ranked well by chance, but knowing nothing costs a loss of 0.69; measured: 0.29.
    assert best.val_loss < 0.4


def test_a_run_reports_its_epochs_and_its_progress():
    reports: list[EpochReport] = []
    fractions: list[float] = []
    result = fit(
        make_data(),
        tiny_config(),
        on_epoch_end=reports.append,
        on_progress=lambda fraction, message: fractions.append(fraction),
        device="cpu",
    )
    assert [r.epoch for r in reports] == [1, 2]
    assert tuple(reports) == result.history
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {r.phase for r in reports} == {"full"}
    assert not result.stopped
    assert result.val_logits.shape == (8, 2)
    assert all(0 <= r.input_share < 1 and r.note == "" for r in reports)
    for r in reports:
        assert r.val_auroc_low is None or r.val_auroc_low <= (r.val_auroc or 0) <= (r.val_auroc_high or 0)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(result):
    again = fit(make_data(), tiny_config(epochs=3), device="cpu")
    assert equal(result.state_dict, again.state_dict)
    assert np.array_equal(result.val_logits, again.val_logits)
    other = fit(make_data(), tiny_config(epochs=1, seed=1), device="cpu")
    assert not torch.equal(other.state_dict["conv1.weight"], result.state_dict["conv1.weight"])


@pytest.mark.parametrize("after", [1, 2])
def test_a_run_resumed_at_an_epoch_boundary_ends_with_the_same_bits(result, after):
    saved: list[bytes] = []
    stopped = fit(
        make_data(),
        tiny_config(epochs=3),
        save_checkpoint=saved.append,
        should_stop=lambda: len(saved) == after,
        checkpoint_interval_s=0,
        device="cpu",
    )
    assert stopped.stopped
    resumed = fit(make_data(), tiny_config(epochs=3), resume=saved[-1], device="cpu")
    assert equal(resumed.state_dict, result.state_dict)
    assert resumed.best_epoch == result.best_epoch
    assert [r.val_loss for r in resumed.history] == [r.val_loss for r in result.history]


def test_a_checkpoint_of_another_run_or_damaged_is_refused():
    saved: list[bytes] = []
    fit(make_data(), tiny_config(), save_checkpoint=saved.append, checkpoint_interval_s=0, device="cpu")
    with pytest.raises(CheckpointError, match="another run"):
        fit(make_data(), tiny_config(seed=5), resume=saved[0], device="cpu")
    for damaged in (b"", saved[0][:1000], b"\x00" * 100):
        with pytest.raises(CheckpointError, match="cannot be read"):
            fit(make_data(), tiny_config(), resume=damaged, device="cpu")


def test_checkpoints_are_not_written_more_often_than_asked():
    saved: list[bytes] = []
    fit(make_data(), tiny_config(), save_checkpoint=saved.append, checkpoint_interval_s=1000, device="cpu")
    assert saved == []


def test_a_run_stopped_within_its_first_epoch_takes_no_further_step():
    asked: list[int] = []

    def stop_at_second() -> bool:
        asked.append(1)
        return len(asked) == 2

    result = fit(make_data(), tiny_config(), should_stop=stop_at_second, device="cpu")
    assert (result.stopped, result.best_epoch, result.state_dict, result.history) == (True, 0, {}, ())
    assert len(asked) == 2


def test_a_loss_that_is_never_finite_is_an_error_with_a_remedy(monkeypatch):
    tried: list[float] = []

    def broken(run: loop.State, *_: object) -> torch.Tensor:
        tried.append(run.learning_rate)
        return torch.full((), float("nan"), requires_grad=True)

    monkeypatch.setattr(loop, "_loss", broken)
    with pytest.raises(TrainingDiverged, match="epoch 1, step 1, also with a quarter of the learning rate; choose"):
        fit(make_data(), tiny_config(learning_rate=1e-3), device="cpu")
    assert tried == [1e-3, 5e-4, 2.5e-4]


def test_a_run_goes_on_from_the_weights_of_a_version(result):
    continued = fit(
        make_data(), tiny_config(epochs=1, learning_rate=1e-6), initial_state=result.state_dict, device="cpu"
    )
    drift = (continued.state_dict["fc.weight"] - result.state_dict["fc.weight"]).abs().max()
    assert float(drift) < 1e-4


def test_a_version_goes_on_with_the_grey_levels_that_it_knows(result):
    known = Preprocess(28, 0.449, 0.226)
    options = {"initial_state": result.state_dict, "device": "cpu"}
    continued = fit(make_data(), tiny_config(epochs=1), initial_preprocess=known, **options)
    assert continued.preprocess == replace(known, size=tiny_config().image_size)
    fitted = fit(make_data(), tiny_config(epochs=1), **options)
    assert fitted.preprocess == result.preprocess


def test_a_version_with_other_classes_cannot_be_continued_from(result):
    with pytest.raises(ConfigError) as caught:
        fit(make_data(18, 9, 3), tiny_config(), initial_state=result.state_dict, device="cpu")
    assert caught.value.field == "model"


def test_three_classes_are_trained_and_judged_one_against_the_rest():
    result = fit(make_data(18, 9, 3), tiny_config(epochs=1), device="cpu")
    assert result.val_logits.shape == (9, 3)
    assert result.history[0].val_auroc is not None


def test_frozen_epochs_train_the_head_alone_and_the_rest_follows(known_weights):
    config = tiny_config(pretrained=True, epochs=2, frozen_epochs=2)
    frozen = fit(make_data(), config, device="cpu")
    assert {r.phase for r in frozen.history} == {"frozen"}
    assert torch.equal(frozen.state_dict["layer3.0.conv2.weight"], known_weights["layer3.0.conv2.weight"])
    assert torch.equal(frozen.state_dict["bn1.running_mean"], known_weights["bn1.running_mean"])
    assert frozen.history[1].train_loss < frozen.history[0].train_loss
    both = fit(make_data(), tiny_config(pretrained=True, epochs=2, frozen_epochs=1), device="cpu")
    assert [r.phase for r in both.history] == ["frozen", "full"]


def test_the_stages_of_known_weights_open_one_by_one(known_weights, monkeypatch):
    opened: list[int] = []
    step = loop._step

    def watched(run: loop.State, *rest, **more) -> None:
        step(run, *rest, **more)
        opened.append(run.opened)
        closed = run.opened < 4
        assert (run.network.conv1.weight.grad is None) == closed
        assert torch.equal(run.network.conv1.weight.detach(), known_weights["conv1.weight"]) == closed
        assert run.network.bn1.training != closed

    monkeypatch.setattr(loop, "_step", watched)
    fit(make_data(), tiny_config(pretrained=True, epochs=7, frozen_epochs=1), device="cpu")
    assert opened == [1] * 20 + [2] * 2 + [3] * 2 + [4] * 8


TRANSFER = {"pretrained": True, "epochs": 7, "frozen_epochs": 2}


@pytest.fixture(scope="module")
def transfer():
    """The weights of a whole run, and its checkpoints."""
    saved: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        know_weights(patch)
        save = {"save_checkpoint": saved.append, "checkpoint_interval_s": 0}
        return fit(make_data(), tiny_config(**TRANSFER), device="cpu", **save).state_dict, saved


def test_a_transfer_run_is_the_same_to_the_bit_with_checkpoints_and_without(known_weights, transfer):
    assert equal(fit(make_data(), tiny_config(**TRANSFER), device="cpu").state_dict, transfer[0])


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_transfer_run_resumes_exactly_in_both_phases_and_while_stages_open(transfer, after):
    whole, saved = transfer
    assert equal(fit(make_data(), tiny_config(**TRANSFER), resume=saved[after - 1], device="cpu").state_dict, whole)


def test_asking_for_weights_that_are_not_there_stops_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(weights.WeightsMissing):
        fit(make_data(), tiny_config(pretrained=True), weights_dir=tmp_path, allow_download=False, device="cpu")


def test_a_finished_run_becomes_a_bundle_that_answers_as_the_run_did(result):
    data, config = make_data(), tiny_config(epochs=3)
    details = {"dataset_hash": "cd" * 32, "laterality_matters": True, "code_version": "0.1.0"}
    division = divide(data.val_labels, [str(n) for n in range(8)], 2, "key")
    scans = scans_of(division, result, config, data.val_tiles, data.val_labels, [str(n) for n in range(8)])
    packed = make_bundle(result, data, config, scans, classes=[ClassRef(1, "NO"), ClassRef(2, "YES")], **details)
    bundle = unpack(packed)
    assert np.allclose(Predictor(bundle).predict(data.val_tiles).logits, result.val_logits, atol=1e-6)
    assert not bundle.manifest.calibration.available
    assert "only 8 calibration scans" in bundle.manifest.calibration.reason
    assert bundle.manifest.prevalence == (0.5, 0.5)
    assert bundle.manifest.preprocess == result.preprocess


@pytest.mark.parametrize("size", [28, 64, 224, 256])
def test_training_sees_to_the_bit_what_serving_sees(size):
    tiles, index = make_tiles(6)[0], np.array([4, 1, 4])
    preprocess = Preprocess(size, 0.4, 0.2)
    inputs = UnitInputs(tiles, preprocess, Device.of("cpu"))
    assert inputs.nbytes == 6 * size * size
    assert torch.equal(preprocess.normalise(inputs.batch(index)), preprocess.to_tensor(tiles[index]))
    ready = shrink(tiles, size)
    assert torch.equal(UnitInputs(ready, preprocess, Device.of("cpu")).batch(index), inputs.batch(index))
    assert torch.equal(preprocess.to_tensor(ready[:1]), preprocess.to_tensor(tiles)[:1])


def test_a_run_on_tiles_that_were_shrunk_before_is_the_same_run():
    data = make_data()
    ready = replace(data, train_tiles=shrink(data.train_tiles, 32), val_tiles=shrink(data.val_tiles, 32))
    whole, small = (fit(one, tiny_config(epochs=1), device="cpu") for one in (data, ready))
    assert equal(whole.state_dict, small.state_dict)
    assert whole.preprocess == small.preprocess
