"""What a run is given when it starts: the network, what it starts from, and the recipe."""

import pytest

from mediscan_site.core.errors import Conflict, Invalid
from models_registry.inference.names import ARCHITECTURES
from training.wishes import Wishes


def test_without_weights_auto_starts_from_scratch_and_says_so(start):
    run = start()
    assert (run.config["pretrained"], run.config["initialisation"]) == (False, "scratch")
    assert "no pre-trained weights" in run.message
    assert run.config["architecture"] == "resnet_compact"
    assert "made for machines without a GPU" in run.message
    assert run.config["frozen_epochs"] == 0


def test_with_weights_auto_learns_by_transfer_and_freezes_at_most_half_of_a_short_run(start, weights_folder):
    (weights_folder / "resnet18-f37072fd.pth").write_bytes(b"found, and read by the worker only")
    run = start(epochs=3)
    assert (run.config["pretrained"], run.config["initialisation"]) == (True, "pretrained")
    assert (run.config["epochs"], run.config["frozen_epochs"]) == (3, 1)
    assert run.config["architecture"] == "resnet18"
    assert "the quickest network with weights on this machine" in run.message


def test_small_pictures_get_the_compact_network_at_their_own_size(start, bare_snapshot, weights_folder):
    (weights_folder / "resnet18-f37072fd.pth").write_bytes(b"found, and of no use here")
    run = start(snapshot=bare_snapshot(side=28))
    assert (run.config["architecture"], run.config["image_size"]) == ("resnet_compact", 28)
    assert "at 28 pixels a deeper network sees nothing" in run.message


@pytest.mark.parametrize(
    ("device", "n_train", "architecture", "size"),
    [("auto", 2000, "resnet_compact", 64), ("cpu", 2000, "resnet_compact", 64), ("cuda", 2000, "resnet18", 128)],
)
def test_the_recipe_is_made_for_the_device_that_the_site_names(
    project, weights_folder, settings, device, n_train, architecture, size
):
    from training import planning

    settings.TRAINING_DEVICE = device
    found = planning.plan(project, Wishes(), n_train=n_train, picture_side=1024)
    assert (found["architecture"], found["image_size"]) == (architecture, size)


def test_the_architecture_that_was_asked_for_is_taken(start):
    run = start(architecture="resnet34", pretrained="false", folds=3, members=2, patience=4)
    assert (run.config["architecture"], run.message) == ("resnet34", "From scratch, as asked, with resnet34.")
    assert [run.config[name] for name in ("folds", "members", "patience")] == [3, 2, 4]


def test_an_unknown_architecture_is_refused_with_all_that_are_known(start):
    with pytest.raises(Invalid) as refused:
        start(architecture="vgg16")
    assert (refused.value.attr, refused.value.code) == ("architecture", "invalid_choice")
    assert all(name in refused.value.detail for name in ARCHITECTURES)


def test_the_compact_network_has_no_weights_to_start_from_and_says_so(start):
    with pytest.raises(Conflict) as refused:
        start(pretrained=True, architecture="resnet_compact")
    assert (refused.value.code, refused.value.attr) == ("weights_missing", "pretrained")
    assert "Choose pretrained=false" in refused.value.detail
    assert "resnet18" in refused.value.detail
    run = start(architecture="resnet_compact")
    assert run.config["initialisation"] == "scratch"
    assert "it has no pre-trained weights" in run.message


def test_asking_for_weights_that_are_missing_is_refused_with_the_remedy(start):
    with pytest.raises(Conflict) as refused:
        start(pretrained=True, architecture="resnet50")
    assert refused.value.code == "weights_missing"
    assert "WEIGHTS_DIR" in refused.value.detail
    assert "resnet50" in refused.value.detail


def test_several_networks_are_the_default_where_they_are_cheap_and_nobody_names_a_length_or_folds(start, bare_snapshot):
    from training import planning

    project, snapshot = bare_snapshot().project, bare_snapshot()
    asked = [{}, {"members": 2}, {"epochs": 4}, {"epochs": 4, "members": 2}, {"folds": 3}]
    plans = [planning.plan(project, Wishes.of(**wishes), n_train=150) for wishes in asked]
    assert [found["members"] for found in plans] == [3, 2, 1, 2, 1]
    assert start(snapshot=snapshot).config["members"] == 3


def test_a_version_is_continued_with_as_many_networks_as_it_has(start, bare_snapshot, make_version):
    snapshot = bare_snapshot()
    base = make_version(snapshot)
    base.card["training"]["params"]["members"] = 2
    base.save()
    assert start(snapshot=snapshot, base_model=base).config["members"] == 2


def test_a_version_that_is_continued_does_not_learn_to_see_again(start, bare_snapshot, make_version):
    snapshot = bare_snapshot()
    with pytest.raises(Invalid, match="can see already") as refused:
        start(snapshot=snapshot, base_model=make_version(snapshot), self_supervised=5)
    assert refused.value.attr == "self_supervised"
    assert start(snapshot=snapshot, self_supervised=5).config["self_supervised"] == 5
