import numpy as np
import pytest
import torch
from torch.nn import functional

from models_registry.inference.architectures import (
    COMPACT,
    DETAIL,
    build,
    cam_layer,
    fitted_state,
    forward_from,
    forward_to,
    strides,
)
from models_registry.inference.bundle import pack, unpack
from models_registry.inference.knowing import rules
from models_registry.inference.looks import COLOUR, LETTERBOX, Look
from models_registry.inference.pictures import reference_inputs
from models_registry.inference.predictor import Predictor, decide
from models_registry.inference.preprocess import Preprocess
from models_registry.statistics.calibration import Calibration, softmax
from models_registry.statistics.conformal import Conformal, SetRule
from models_registry.statistics.prior import Prior
from tests.training.engine.builders import make_bundle, make_manifest, make_tiles


@pytest.fixture(scope="module")
def predictor():
    return Predictor(unpack(make_bundle(architecture="resnet18")))


def test_probabilities_are_the_tempered_softmax_of_the_logits(predictor):
    result = predictor.predict(make_tiles(5)[0])
    assert result.probabilities.shape == result.logits.shape == (5, 2)
    assert np.allclose(result.probabilities, softmax(result.logits, 1.5))
    assert np.allclose(result.probabilities.sum(axis=1), 1)
    assert result.calibrated
    assert np.array_equal(result.confidences, result.probabilities.max(axis=1))


def test_the_same_tiles_get_the_same_answer_alone_in_a_batch_and_from_a_second_load(predictor):
    tiles = make_tiles(40)[0]
    first = predictor.predict(tiles).logits
    assert np.array_equal(first, predictor.predict(tiles).logits)
    assert np.array_equal(first, Predictor(unpack(make_bundle(architecture="resnet18"))).predict(tiles).logits)
    assert np.allclose(first[39], predictor.predict(tiles[39:]).logits[0], atol=1e-5)


def test_no_tiles_give_no_predictions(predictor):
    assert predictor.predict(make_tiles(0)[0]).probabilities.shape == (0, 2)


def test_flip_averaging_makes_a_scan_and_its_mirror_image_equal():
    tiles = make_tiles(2)[0]
    flipping = Predictor(unpack(make_bundle(laterality_matters=False, flip_tta=True)))
    assert np.allclose(flipping.predict(tiles).logits, flipping.predict(tiles[:, :, ::-1]).logits, atol=1e-5)


def test_averaging_over_right_angles_makes_all_turned_scans_equal():
    tiles = make_tiles(2)[0]
    turning = Predictor(unpack(make_bundle(turned_tta=True)))
    upright = turning.predict(tiles)
    for quarters in (1, 2, 3):
        turned = turning.predict(np.rot90(tiles, quarters, (1, 2)))
        assert np.allclose(turned.logits, upright.logits, atol=1e-5)
        assert np.allclose(turned.features, upright.features, atol=1e-5)
    assert not np.allclose(turning.predict(tiles[:, :, ::-1]).logits, upright.logits, atol=1e-5)
    # What is read of the features is the answer.
    said = turning.networks[0].fc(torch.from_numpy(upright.features)).detach().numpy()
    assert np.allclose(said, upright.logits, atol=1e-5)


def test_a_confident_scan_is_answered_and_a_doubtful_one_referred():
    manifest = make_manifest()
    assert decide(manifest, 0.7).decision == "answer"
    doubtful = decide(manifest, 0.69)
    assert (doubtful.decision, doubtful.reasons) == ("refer", ("below_threshold",))


def test_without_calibration_every_scan_is_referred():
    model = Predictor(unpack(make_bundle(calibration=Calibration(None, 3, "only 3 validation scans"))))
    said = model.predict(make_tiles(1)[0])
    assert not said.calibrated
    assert model.decide(said).reasons == ("not_calibrated",)


def test_a_heat_map_covers_the_tile_and_peaks_at_one(predictor):
    tile = make_tiles(1)[0][0]
    maps = [predictor.heatmap(tile, k) for k in range(2)]
    for heat in maps:
        assert heat.shape == (256, 256)
        assert heat.dtype == np.float32
        assert 0 <= float(heat.min()) <= float(heat.max()) <= 1
    assert any(float(heat.max()) == 1 for heat in maps)
    assert np.array_equal(maps[0], predictor.heatmap(tile, 0))


def test_a_heat_map_of_a_class_that_is_not_there_is_refused(predictor):
    with pytest.raises(ValueError, match=r"class_index must be 0\.\.1"):
        predictor.heatmap(make_tiles(1)[0][0], 2)


def test_warming_leaves_the_answers_as_they_are(predictor):
    tiles = make_tiles(2)[0]
    before = predictor.predict(tiles).logits
    predictor.warm()
    assert np.array_equal(before, predictor.predict(tiles).logits)


@pytest.mark.parametrize("architecture", ["resnet18", COMPACT, DETAIL])
def test_a_network_cut_at_any_stage_gives_its_own_logits(architecture):
    network = build(architecture, 3).eval()
    x = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        for stage in strides(network):
            assert torch.equal(forward_from(network, forward_to(network, x, stage), stage), network(x))


@pytest.mark.parametrize(
    ("architecture", "size", "stage"),
    [
        ("resnet18", 224, "layer4"),
        ("resnet18", 128, "layer3"),
        ("resnet18", 64, "layer2"),
        ("resnet18", 32, "layer1"),
        (COMPACT, 64, "layer3"),
        (COMPACT, 28, "layer2"),
        (DETAIL, 128, "layer3"),
        (DETAIL, 64, "layer2"),
    ],
)
def test_the_heat_map_is_taken_where_it_still_has_some_resolution(architecture, size, stage):
    with torch.device("meta"):
        assert cam_layer(build(architecture, 2), size) == stage


def test_a_grey_network_answers_as_the_colour_network_it_came_from():
    colour, grey = build("resnet18", 2, channels=3).eval(), build("resnet18", 2).eval()
    grey.load_state_dict(fitted_state(colour.state_dict(), 1), strict=False)
    grey.fc.load_state_dict(colour.fc.state_dict())
    x = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-4)


def test_an_unknown_architecture_is_refused_with_the_list():
    with pytest.raises(ValueError, match="resnet18, resnet34, resnet50, resnet101"):
        build("alexnet", 2)


def test_probabilities_are_moved_to_the_expected_prevalence_and_sets_follow_them():
    tiles, _ = make_tiles(6)
    plain = Predictor(unpack(make_bundle())).predict(tiles).probabilities
    prior = Prior((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0.9, 0.1))
    conformal = Conformal(0.9, SetRule((0.5, 0.5), (9, 9)), SetRule((0.3, 0.8), (9, 9)))
    model = Predictor(unpack(make_bundle(prior=prior, conformal=conformal)))
    moved = model.predict(tiles)
    expected = plain * [0.9, 0.1]
    assert moved.probabilities == pytest.approx(expected / expected.sum(axis=1, keepdims=True))
    sets = model.prediction_set(moved)
    assert sets is not None
    assert sets.tolist() == (1 - moved.probabilities <= [0.3, 0.8]).tolist()


def test_without_thresholds_or_calibration_there_are_no_sets():
    tiles, _ = make_tiles(2)
    conformal = Conformal(0.9, SetRule((0.5, 0.5), (9, 9)), SetRule(None, (9, 9), "too few"))
    silent = Predictor(unpack(make_bundle()))
    blind = Predictor(unpack(make_bundle(calibration=Calibration(None, 3, "few"), conformal=conformal)))
    for model in (silent, blind):
        assert model.prediction_set(model.predict(tiles)) is None


@pytest.mark.parametrize(("architecture", "channels"), [(COMPACT, 1), ("resnet18", 3)])
def test_what_sees_tiles_answers_to_the_bit_as_before_there_was_more_to_see(architecture, channels):
    state = build(architecture, 2, channels).state_dict()
    manifest = make_manifest(architecture=architecture, preprocess=Preprocess(48, 0.4, 0.2, channels))
    model, network = Predictor(unpack(pack(manifest, state))), build(architecture, 2, channels)
    network.load_state_dict(state)
    network.requires_grad_(requires_grad=False).to(memory_format=torch.channels_last).eval()
    tiles = make_tiles(5)[0]
    # As the first release wrote it down.
    x = torch.from_numpy(tiles.astype(np.float32)).unsqueeze(1)
    small = functional.interpolate(x, (48, 48), mode="bilinear", antialias=True).round_().clamp_(0, 255).to(torch.uint8)
    unit = small.to(torch.float32).div_(255)
    given = ((unit - 0.4) / 0.2).expand(-1, channels, -1, -1).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = network(given).numpy()
    assert np.array_equal(model.predict(tiles).logits, expected)


@pytest.fixture(scope="module")
def in_colour():
    look = Look(COLOUR, LETTERBOX)
    manifest = make_manifest(preprocess=Preprocess(40, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, look))
    return Predictor(unpack(pack(manifest, build(COMPACT, 2, 3).state_dict())))


def test_what_sees_colours_is_given_them_beside_the_tiles_and_never_less(in_colour):
    tiles, pixels = reference_inputs(in_colour.manifest.preprocess)
    said = in_colour.predict(tiles, pixels)
    assert said.logits.shape == (4, 2)
    assert said.unreadable == tuple(rules.quality(tiles))
    assert np.array_equal(said.features, in_colour.features(tiles, pixels))
    swapped = pixels[..., ::-1].copy()
    assert not np.array_equal(in_colour.predict(tiles, swapped).logits[2:], said.logits[2:])
    in_colour.warm(3)
    for given in (None, pixels[:1], pixels[..., 0], pixels[:, :20]):
        with pytest.raises(ValueError, match="pixels"):
            in_colour.predict(tiles, given)
