import numpy as np
import pytest

from models_registry.inference.poses import Poses
from tests.training.engine.builders import make_data, make_tiles, tiny_config
from training.engine.config import ConfigError, TrainConfig
from training.engine.data import TrainData, balanced_order, batches
from training.engine.recipe import default_config, larger_side


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "vgg16"),
        ("architecture", 3),
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("image_size", 27),
        ("image_size", 1025),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("batch_size", 1),
        ("pretrained", "yes"),
        ("seed", -1),
        ("coverage_target", 1.1),
        ("flip_tta", True),
        ("turned_tta", True),
        ("levels", "bright"),
        ("mixup", 3),
        ("frozen_epochs", 1),
    ],
)
def test_a_setting_that_cannot_be_is_named(field, value):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_dict({field: value})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize("sees", ["colour", "windows"])
def test_levels_are_equalised_of_grey_alone(sees):
    told = {"sees": sees, "levels": "equalised", "windows": "40/400" if sees == "windows" else ""}
    with pytest.raises(ConfigError, match="levels: equalised is for sees=grey alone"):
        TrainConfig(**told)
    assert TrainConfig(levels="equalised").look.equalises
    assert not TrainConfig().look.needs_views


def test_an_unknown_setting_is_named():
    with pytest.raises(ConfigError, match="momentum: is not a training setting"):
        TrainConfig.from_dict({"momentum": 0.9})


def test_more_frozen_epochs_than_epochs_are_refused():
    with pytest.raises(ConfigError, match="frozen_epochs"):
        TrainConfig(pretrained=True, epochs=3, frozen_epochs=4)


def test_a_configuration_survives_a_round_through_a_dictionary():
    config = TrainConfig(pretrained=True, epochs=9, frozen_epochs=3, allow_flips=True, flip_tta=True)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_the_default_freezes_a_backbone_only_when_weights_are_there():
    scratch, transfer = default_config(200, weights_available=False), default_config(200, weights_available=True)
    assert not scratch.pretrained
    assert scratch.frozen_epochs == 0
    assert transfer.pretrained
    assert 0 < transfer.frozen_epochs < transfer.epochs


def test_the_default_makes_fewer_passes_over_more_scans():
    epochs = [default_config(n, weights_available=False).epochs for n in (50, 500, 5000, 50_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] <= 60
    assert epochs[-1] >= 2


def test_small_pictures_are_trained_at_their_own_size_and_for_longer():
    usual = default_config(4700, weights_available=False, architecture="resnet_compact")
    small = default_config(4700, weights_available=False, architecture="resnet_compact", picture_side=28)
    assert small.image_size == 28
    assert small.epochs > usual.epochs
    assert default_config(4700, weights_available=False, picture_side=1024) == default_config(
        4700, weights_available=False
    )


def test_the_default_looks_at_both_sides_only_where_mirror_images_are_allowed():
    for side in (28, None):
        assert default_config(200, weights_available=False, allow_flips=True, picture_side=side).flip_tta
        assert default_config(200, weights_available=True, allow_flips=True, picture_side=side).flip_tta
        assert not default_config(200, weights_available=False, allow_flips=False, picture_side=side).flip_tta


def test_the_default_looks_at_every_right_angle_where_orientation_does_not_matter():
    assert default_config(200, weights_available=False, any_angle=True).poses == Poses(turned=True)
    both = default_config(200, weights_available=True, any_angle=True, allow_flips=True)
    assert both.allow_flips
    assert both.poses == Poses(turned=True)


@pytest.mark.parametrize(
    ("n_train", "asked", "members"),
    [
        (150, {}, 3),
        (4700, {"picture_side": 28}, 2),
        (4700, {"picture_side": 56}, 1),
        (150, {"image_size": 128}, 1),
        (50_000, {}, 1),
        (150, {"architecture": "resnet18"}, 1),
        (150, {"weights_available": True, "architecture": "resnet18"}, 1),
    ],
)
def test_the_default_is_several_networks_where_they_are_cheap(n_train, asked, members):
    given = {"weights_available": False, "architecture": "resnet_compact", **asked}
    assert default_config(n_train, **given).members == members


def test_few_small_pictures_are_blended_and_changed_more_but_in_a_short_run():
    def told(n_train, **asked):
        found = default_config(n_train, weights_available=False, architecture="resnet_compact", **asked)
        return found.mixup, found.augment

    assert told(999, picture_side=28) == (0.3, 1.5)
    assert told(1000, picture_side=28) == (0.0, 1.0)
    assert told(999, picture_side=28, epochs=8) == (0.0, 0.5)
    assert told(999, picture_side=1024) == (0.0, 0.6)


def test_a_run_of_an_earlier_release_is_the_one_that_it_was():
    config = tiny_config()
    assert config.identity().keys() == config.to_dict().keys() - {"levels", "mixup", "turned_tta"}
    assert tiny_config(mixup=0.2).identity()["mixup"] == 0.2
    assert tiny_config(levels="equalised").identity() != config.identity()


@pytest.mark.parametrize(("epochs", "strength"), [(1, 0.5), (8, 0.5), (9, 1.0), (30, 1.0), (None, 1.0)])
def test_small_pictures_are_changed_less_in_a_short_run(epochs, strength):
    told = default_config(4700, weights_available=False, picture_side=28, epochs=epochs)
    assert told.augment == strength
    assert told.epochs == 30


@pytest.mark.parametrize(("weights", "usual"), [(False, 64), (True, 128)])
def test_a_size_that_was_asked_for_is_kept(weights, usual):
    assert default_config(200, weights_available=weights, picture_side=1024).image_size == usual
    assert default_config(200, weights_available=weights, picture_side=1024, image_size=96).image_size == 96


def test_a_picture_smaller_than_any_input_is_enlarged_to_the_smallest():
    assert default_config(200, weights_available=False, picture_side=20).image_size == 28


def test_an_epoch_shows_every_class_equally_often_and_every_rare_scan_evenly():
    labels = np.array([0] * 30 + [1] * 6)
    order = balanced_order(labels, 2, seed=1, epoch=0)
    assert np.bincount(labels[order]).tolist() == [18, 18]
    assert set(np.bincount(order, minlength=36)[30:].tolist()) == {3}


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    labels = np.arange(40) % 2
    first = balanced_order(labels, 2, seed=1, epoch=0)
    assert np.array_equal(first, balanced_order(labels, 2, seed=1, epoch=0))
    assert not np.array_equal(first, balanced_order(labels, 2, seed=1, epoch=1))
    assert not np.array_equal(first, balanced_order(labels, 2, seed=2, epoch=0))


@pytest.mark.parametrize(("n", "sizes"), [(16, [8, 8]), (17, [8, 9]), (20, [8, 8, 4]), (3, [3])])
def test_no_batch_is_left_with_too_few_scans_to_normalise(n, sizes):
    assert [len(batch) for batch in batches(np.arange(n), 8)] == sizes


def test_prevalence_is_the_share_of_each_class_in_training():
    assert make_data(16, 8).prevalence == (0.5, 0.5)


@pytest.mark.parametrize(
    ("n_train", "n_val", "labels", "named"),
    [
        (0, 4, None, "train_tiles"),
        (4, 0, None, "val_tiles"),
        (4, 4, [0, 0, 0, 0], "train_labels"),
        (4, 4, [0, 1, 2, 0], "train_labels"),
    ],
)
def test_data_that_cannot_train_is_named(n_train, n_val, labels, named):
    tiles, own = make_tiles(n_train)
    with pytest.raises(ConfigError) as caught:
        TrainData(tiles, own if labels is None else np.array(labels), *make_tiles(n_val), 2)
    assert caught.value.field == named


def test_the_network_for_small_things_sees_more_pixels_longer_and_is_as_many_as_it_costs():
    given = {"weights_available": False, "picture_side": 640, "sees": "colour", "any_angle": True}
    plain, detail = (default_config(209, architecture=name, **given) for name in ("resnet_compact", "resnet_detail"))
    assert (plain.image_size, detail.image_size) == (64, 320)
    assert (plain.epochs, detail.epochs) == (43, 60)
    assert (plain.members, detail.members) == (3, 1)
    smaller = default_config(209, architecture="resnet_detail", image_size=224, **given)
    assert smaller.members == 3
    assert detail.any_angle
    assert detail.look.channels == 3
    assert default_config(20_000, architecture="resnet_detail", image_size=512, **given).members == 1


@pytest.mark.parametrize(
    ("side", "size"), [(28, 28), (96, 128), (223, 128), (224, 224), (320, 320), (4000, 320), (None, 320)]
)
def test_the_network_for_small_things_sees_what_the_originals_have_to_show(side, size):
    told = default_config(209, weights_available=False, architecture="resnet_detail", picture_side=side)
    assert told.image_size == size


@pytest.mark.parametrize(
    ("size", "side", "larger"),
    [
        (64, 1024, 128),
        (64, None, 128),
        (128, 640, 224),
        (224, 640, 320),
        (320, 640, 448),
        (512, 640, 512),
        (64, 100, 64),
        (224, 224, 224),
        (28, 28, 28),
    ],
)
def test_a_thorough_run_sees_larger_pictures_than_usual(size, side, larger):
    assert larger_side(size, side) == larger
