"""Learning to see from scans without labels, before learning the classes."""

import numpy as np
import pytest
import torch

from models_registry.inference.names import COLOUR
from training.engine import selfsupervised
from training.engine.checkpoint import CheckpointError
from training.engine.config import ConfigError, TrainConfig
from training.engine.data import TrainData
from training.engine.ensemble import train
from training.engine.fit import fit
from training.engine.series import Watch

from .builders import SIZE, make_data, make_tiles, tiny_config

OTHERS = make_tiles(24, seed=5)[0]


def weights_of(result) -> dict[str, torch.Tensor]:
    return result.state_dict


def equal(one, other) -> bool:
    return all(torch.equal(value, other.state_dict[name]) for name, value in one.state_dict.items())


def test_the_first_epoch_with_labels_tells_what_came_before_and_the_weights_are_others():
    data = make_data()
    plain, taught = fit(data, tiny_config()), fit(data, tiny_config(self_supervised=2), unlabelled=OTHERS)
    assert "2 epochs without labels on 40 scans" in taught.history[0].note
    assert not taught.history[1].note
    assert not equal(plain, taught)


def test_the_same_scans_give_the_same_weights_and_others_do_not():
    data, config = make_data(), tiny_config(self_supervised=2)
    once, again = (fit(data, config, unlabelled=OTHERS) for _ in range(2))
    assert equal(once, again)
    assert not equal(once, fit(data, config, unlabelled=OTHERS[:8]))
    assert not equal(once, fit(data, config))


def test_views_of_one_scan_come_to_agree_more_than_at_the_start():
    data = make_data(64)
    short, long = (
        fit(data, tiny_config(epochs=1, learning_rate=3e-3, self_supervised=epochs), unlabelled=OTHERS).history[0].note
        for epochs in (1, 8)
    )
    agreements = [float(note.split("agreement ")[1].split(",")[0]) for note in (short, long)]
    assert agreements[1] > agreements[0] + 0.05


def test_it_learns_from_scans_in_colour():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, SIZE, SIZE, 3)).astype(np.uint8)
    labels = np.arange(24, dtype=np.int64) % 2
    data = TrainData(pixels[:16], labels[:16], pixels[16:], labels[16:], 2)
    found = fit(data, tiny_config(sees=COLOUR, self_supervised=1), unlabelled=pixels)
    assert found.state_dict["conv1.weight"].shape[1] == 3
    assert "on 40 scans" in found.history[0].note


def test_answers_that_are_all_the_same_are_told_and_thrown_away(monkeypatch):
    monkeypatch.setattr(selfsupervised, "COLLAPSED", 2.0)
    data = make_data()
    collapsed = fit(data, tiny_config(self_supervised=1), unlabelled=OTHERS)
    assert "the network starts as if it had not" in collapsed.history[0].note
    assert equal(collapsed, fit(data, tiny_config()))


def test_progress_rises_through_both_parts_to_the_end():
    told: list[tuple[float, str]] = []
    fit(make_data(), tiny_config(self_supervised=2), unlabelled=OTHERS, on_progress=lambda *of: told.append(of))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[0][1] == "epoch 1 of 2 without labels"
    assert any(message == "epoch 1 of 2" for _, message in told)


def test_whoever_stops_it_half_way_has_no_network():
    asked = iter([False, True])
    found = fit(make_data(64), tiny_config(self_supervised=5), unlabelled=OTHERS, should_stop=lambda: next(asked, True))
    assert (found.stopped, found.history, found.state_dict) == (True, (), {})


def test_a_run_taken_up_later_ends_as_one_that_was_not_interrupted():
    data, config, kept = make_data(), tiny_config(epochs=3, self_supervised=2), []
    whole = fit(data, config, unlabelled=OTHERS, save_checkpoint=kept.append, checkpoint_interval_s=0)
    resumed = fit(data, config, unlabelled=OTHERS, resume=kept[0])
    assert equal(whole, resumed)
    assert resumed.history[0].note == whole.history[0].note


def test_a_checkpoint_does_not_fit_other_scans_without_labels():
    data, config, kept = make_data(), tiny_config(self_supervised=1, epochs=3, members=2), []
    watch = Watch(lambda *_: None, lambda *_: None, lambda: False, kept.append)
    train(data, config, watch, unlabelled=OTHERS, checkpoint_interval_s=0)
    with pytest.raises(CheckpointError, match="another run"):
        train(data, config, watch, unlabelled=OTHERS[:4], resume=kept[0])


def test_weights_that_can_see_already_are_not_taught_again():
    with pytest.raises(ConfigError, match="must be 0 with pre-trained weights"):
        TrainConfig(pretrained=True, self_supervised=1)
    data = make_data()
    base = fit(data, tiny_config())
    with pytest.raises(ConfigError, match="it can see already"):
        fit(data, tiny_config(self_supervised=1), initial_state=base.state_dict)
