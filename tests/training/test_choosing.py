import pytest

from training.choosing import MANY, Machine, choose

FREE = {"from_scratch": False, "only_pretrained": False}


@pytest.mark.parametrize(
    ("device", "weights", "n_train", "image_size", "expected"),
    [
        ("cpu", (), 150, None, "resnet_compact"),
        ("cpu", (), 20_000, None, "resnet_compact"),
        ("cpu", ("resnet18",), 150, None, "resnet18"),
        ("cpu", ("resnet18", "resnet50"), 20_000, None, "resnet18"),
        ("cpu", ("resnet50",), 150, None, "resnet_compact"),
        ("cpu", ("resnet18",), 150, 28, "resnet_compact"),
        ("cuda", (), MANY - 1, None, "resnet_compact"),
        ("cuda", (), MANY, None, "resnet18"),
        ("cuda", (), MANY, 28, "resnet_compact"),
        ("cuda", ("resnet18", "resnet50"), MANY - 1, None, "resnet18"),
        ("cuda", ("resnet18", "resnet50"), MANY, None, "resnet50"),
        ("cuda", ("resnet101",), 10, None, "resnet101"),
    ],
)
def test_the_network_follows_from_scans_size_machine_and_weights(device, weights, n_train, image_size, expected):
    choice = choose(Machine(device, weights), n_train=n_train, image_size=image_size, **FREE)
    assert choice.architecture == expected
    assert choice.why


@pytest.mark.parametrize(
    ("device", "weights", "n_train", "image_size", "expected"),
    [
        ("cpu", (), 200, None, "resnet_detail"),
        ("cpu", (), 20_000, 640, "resnet_detail"),
        ("cpu", (), 200, 28, "resnet_compact"),
        ("cpu", ("resnet18",), 200, None, "resnet18"),
        ("cuda", (), MANY - 1, None, "resnet_detail"),
        ("cuda", (), MANY, None, "resnet18"),
    ],
)
def test_scans_in_colour_get_the_network_for_small_things_where_nothing_pretrained_is_there(
    device, weights, n_train, image_size, expected
):
    choice = choose(Machine(device, weights), n_train=n_train, image_size=image_size, sees="colour", **FREE)
    assert choice.architecture == expected


def test_whoever_insists_on_weights_or_on_none_gets_a_network_that_fits():
    machine = Machine("cpu", ("resnet18", "resnet50"))
    insist = {"from_scratch": False, "only_pretrained": True}
    assert choose(machine, n_train=9, image_size=28, **insist).architecture == "resnet18"
    assert choose(Machine("cpu", ("resnet50",)), n_train=9, image_size=None, **insist).architecture == "resnet50"
    # Without any weights the one whose absence is then reported.
    assert choose(Machine("cpu", ()), n_train=9, image_size=None, **insist).architecture == "resnet18"
    scratch = {"from_scratch": True, "only_pretrained": False}
    assert choose(machine, n_train=9, image_size=None, **scratch).architecture == "resnet_compact"
