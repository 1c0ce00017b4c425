"""Blended pictures have the labels of what they show."""

import numpy as np
import torch

from tests.training.engine.builders import make_data, tiny_config
from training.engine.augment import mixed
from training.engine.fit import fit


def test_each_label_has_the_share_that_its_picture_has():
    # The level of a picture is its class.
    target = torch.arange(3).repeat(8)
    x = target.view(-1, 1, 1, 1).float().expand(-1, 1, 4, 4).clone()
    for seed in range(20):
        blend, shown = mixed(x, target, 3, 0.3, np.random.default_rng(seed))
        assert torch.allclose(shown.sum(dim=1), torch.ones(24))
        assert torch.allclose(blend[:, 0, 0, 0], shown @ torch.arange(3.0), atol=1e-5)
        # Its own picture is always the larger part.
        assert (shown.gather(1, target[:, None]) >= 0.5).all()


def test_how_much_is_blended_follows_from_the_random_numbers_and_alpha():
    target = torch.arange(2).repeat(16)
    x = target.view(-1, 1, 1, 1).float().expand(-1, 1, 2, 2).clone()
    one, again, other = (mixed(x, target, 2, 0.5, np.random.default_rng(seed))[1] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)

    def usual(alpha: float) -> float:
        shown = torch.stack([mixed(x, target, 2, alpha, np.random.default_rng(seed))[1] for seed in range(60)])
        return float(shown.min(dim=2).values.mean())

    assert usual(0.1) < usual(0.5) < usual(2.0)


def test_a_run_that_blends_learns_and_goes_on_to_the_bit_where_it_was_left():
    config, data, kept = tiny_config(epochs=4, mixup=0.4), make_data(), []
    whole = fit(data, config, device="cpu", save_checkpoint=kept.append, checkpoint_interval_s=0)
    resumed = fit(data, config, device="cpu", resume=kept[1])
    assert all(torch.equal(value, resumed.state_dict[name]) for name, value in whole.state_dict.items())
    plain = fit(data, tiny_config(epochs=4), device="cpu")
    assert any(not torch.equal(value, plain.state_dict[name]) for name, value in whole.state_dict.items())
    assert np.isfinite(whole.val_logits).all()
