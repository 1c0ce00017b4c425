"""What a version knows of its own limits: fitted, packed, loaded, asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from images.phantoms import phantom
from models_registry.inference.bundle import BundleError, pack, unpack
from models_registry.inference.knowing.detector import Detector
from models_registry.inference.knowing.facts import Knowing
from models_registry.inference.knowing.views import CHANGES, kinds_of, views
from models_registry.inference.predictor import Predictor
from tests.training.engine.builders import make_manifest
from training.engine.knowing import fit_knowing
from training.engine.material import MIN_TRAINING, Material, points_for
from training.engine.setup import initial_network
from training.engine.shrunk import fit_gauss

SIZE = 32


def films(n: int, seed: int) -> np.ndarray:
    """Phantoms (n, 32, 32), of alternating classes."""
    made = [phantom(seed * 1000 + number, 0, bool(number % 2)).convert("L") for number in range(n)]
    return np.stack([np.asarray(one.resize((SIZE, SIZE))) for one in made])


def features(tiles: np.ndarray) -> np.ndarray:
    """Stands for a network: 24 fixed random views of the picture, rectified."""
    weights = np.random.default_rng(1).normal(size=(SIZE * SIZE, 24)) / SIZE
    return np.maximum(tiles.reshape(len(tiles), -1) / 255 @ weights, 0).astype(np.float32)


@pytest.fixture(scope="module")
def material() -> Material:
    return Material(films(120, 1), np.arange(120) % 2, films(40, 2), features, mirrored=True, smallest_side=200)


@pytest.fixture(scope="module")
def known(material):
    return fit_knowing(material)


@pytest.fixture(scope="module")
def detector(known):
    return Detector.of(*known, SIZE)


def share(detector: Detector, tiles: np.ndarray) -> float:
    tiles = np.ascontiguousarray(tiles)
    return float((detector.judge(features(tiles), tiles).distances > 1).mean())


def test_few_scans_of_the_same_kind_are_referred(detector):
    assert share(detector, films(100, 3)) <= 0.12


def test_mild_changes_are_referred_seldom(detector):
    assert share(detector, views(films(40, 3), len(CHANGES), 99)) <= 0.2


@pytest.mark.parametrize(
    ("change", "posture"),
    [
        (lambda x: 255 - x, "inverted"),
        (lambda x: np.rot90(x, 2, (1, 2)), "upside_down"),
        (lambda x: np.rot90(x, 1, (1, 2)), "turned_left"),
        (lambda x: np.rot90(x, 3, (1, 2)), "turned_right"),
    ],
)
def test_turned_and_inverted_films_are_noticed_and_named(detector, change, posture):
    tiles = np.ascontiguousarray(change(films(60, 3)))
    judged = detector.judge(features(tiles), tiles)
    assert (judged.distances > 1).mean() >= 0.95
    assert np.mean([name == posture for name in judged.postures]) >= 0.8


@pytest.mark.parametrize("foreign", ["noise", "blank", "stripes"])
def test_pictures_of_something_else_are_far_and_not_called_turned(detector, foreign):
    random = np.random.default_rng(5)
    tiles = {
        "noise": random.integers(0, 256, (20, SIZE, SIZE)),
        "blank": np.stack([np.full((SIZE, SIZE), grey) for grey in range(0, 200, 10)]),
        "stripes": np.stack(
            [np.tile(np.sin(np.arange(SIZE) * k) * 120 + 127, (SIZE, 1)) for k in np.linspace(0.5, 3, 20)]
        ),
    }[foreign].astype(np.uint8)
    judged = detector.judge(features(tiles), tiles)
    assert (judged.distances > 1).all()
    assert set(judged.postures) == {""}


def test_pictures_that_lie_any_way_have_no_posture(material):
    random = np.random.default_rng(2)

    def lying(tiles):
        return np.stack([np.rot90(tile, random.integers(4)) for tile in tiles])

    facts, _ = fit_knowing(replace(material, train=lying(material.train), val=lying(material.val)))
    assert not {"turned_left", "upside_down", "turned_right"} & set(facts.postures)


@pytest.mark.parametrize("part", ["train", "val"])
def test_too_few_scans_leave_the_reason_and_no_tensor(material, part):
    few = replace(
        material,
        **{part: getattr(material, part)[:9]},
        labels=material.labels[:9] if part == "train" else material.labels,
    )
    facts, tensors = fit_knowing(few)
    assert not facts.available
    assert "only 9" in facts.reason
    assert tensors == {}
    assert facts.shapes == {}


def test_the_same_scans_give_the_same_bits(material, known):
    again = fit_knowing(material)
    assert again[0] == known[0]
    assert all(torch.equal(value, known[1][name]) for name, value in again[1].items())


def test_no_more_pictures_pass_through_the_networks_than_were_asked_for(material):
    asked = []
    counted = replace(
        material, features=lambda tiles: (asked.append(len(tiles)), features(tiles))[1], points=points_for(120, 20)
    )
    fit_knowing(counted)
    assert sum(asked) <= 2 * counted.points
    assert points_for(120, 20) < 120 * 20


def test_no_scan_can_be_read_out_of_the_tensors(known, material):
    """Means and directions are of many scans; no tensor has as many entries as there are pixels."""
    facts, tensors = known
    assert facts.n == len(material.train) >= MIN_TRAINING
    assert all(SIZE * SIZE not in tensor.shape for tensor in tensors.values())


def bundle_of(known):
    facts, tensors = known
    network = initial_network("resnet_compact", 2, 0)
    width = network.fc.in_features
    grown = replace(facts, dimension=width, means=2, axes=3)
    shaped = {
        **tensors,
        **{name: torch.rand(shape) + 0.1 for name, shape in grown.shapes.items() if "features" in name},
    }
    return make_manifest(knowing=grown), {**network.state_dict(), **shaped}


def test_a_bundle_keeps_it_and_answers_with_it(known):
    manifest, state = bundle_of(known)
    loaded = unpack(pack(manifest, state))
    assert loaded.manifest == manifest
    said = Predictor(loaded).predict(np.repeat(np.repeat(films(3, 4), 8, 1), 8, 2))
    assert said.resemblance is not None
    assert np.isfinite(said.resemblance.distances).all()


def test_a_bundle_without_it_answers_to_the_bit_as_one_with_it(known):
    manifest, state = bundle_of(known)
    tiles = np.repeat(np.repeat(films(3, 4), 8, 1), 8, 2)
    weights = {name: value for name, value in state.items() if not name.startswith("knowing/")}
    old = Predictor(unpack(pack(replace(manifest, knowing=None), weights))).predict(tiles)
    assert old.resemblance is None
    assert np.array_equal(old.logits, Predictor(unpack(pack(manifest, state))).predict(tiles).logits)


@pytest.mark.parametrize("harm", ["missing", "extra", "shape", "nan"])
def test_a_bundle_whose_knowledge_does_not_fit_is_refused(known, harm):
    manifest, state = bundle_of(known)
    name = "knowing/look/means"
    harmed = {
        "missing": {k: v for k, v in state.items() if k != name},
        "extra": {**state, "knowing/scan": torch.zeros(SIZE, SIZE)},
        "shape": {**state, name: state[name][:, 1:]},
        "nan": {**state, name: state[name] * float("nan")},
    }[harm]
    with pytest.raises(BundleError):
        pack(manifest, harmed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits": {}},
        {"limits": {"features": -1.0, "look": 1.0}},
        {"postures": ["sideways"]},
        {"side": 0},
        {"widths": {}},
    ],
)
def test_facts_that_make_no_sense_are_refused(known, wrong):
    with pytest.raises(ValueError, match="knowing"):
        Knowing.from_dict({**known[0].to_dict(), **wrong})


def test_the_distance_is_that_of_the_whole_covariance():
    """Axes and rest are a short way to write the inverse of scikit-learn's matrix."""
    random = np.random.default_rng(0)
    points = random.normal(size=(90, 30)) @ random.normal(size=(30, 30))
    labels = np.arange(90) % 3
    fitted = fit_gauss(points, labels)
    x = (points - points.mean(0)) / points.std(0)
    within = x - np.stack([x[labels == k].mean(0) for k in range(3)])[labels]
    inverse = LedoitWolf(assume_centered=True).fit(within).precision_
    new = random.normal(size=(20, 30)) * 3
    z = (new - points.mean(0)) / points.std(0)
    squares = [np.einsum("ij,jk,ik->i", z - m, inverse, z - m) for m in (x[labels == k].mean(0) for k in range(3))]
    assert np.allclose(fitted.distances(new), np.sqrt(np.min(squares, axis=0) / 30), rtol=1e-6)


def test_the_distance_ranks_as_pytorch_ood_does():
    reference = pytest.importorskip("pytorch_ood.detector", reason="pytorch-ood is not installed")
    random = np.random.default_rng(0)
    points, labels = random.normal(size=(4000, 8)) * np.arange(1, 9), np.arange(4000) % 2
    theirs = reference.Mahalanobis(torch.nn.Identity(), eps=0)
    theirs.fit_features(torch.tensor(points, dtype=torch.float32), torch.tensor(labels))
    new = random.normal(size=(50, 8)) * 12
    ours = fit_gauss(points, labels).distances(new)
    assert np.corrcoef(ours**2, theirs.predict_features(torch.tensor(new, dtype=torch.float32)).numpy())[0, 1] > 0.99


def test_mirror_images_are_no_views_where_left_and_right_matter():
    assert len(kinds_of(mirrored=False)) == len(kinds_of(mirrored=True)) - 1
    # No exposure differs from another: two of contrast and one of gamma.
    assert len(kinds_of(mirrored=True, equalised=True)) == len(kinds_of(mirrored=True)) - 3
    tile = np.zeros((7, SIZE, SIZE), np.uint8)
    tile[:, :, :8] = 200
    seen = views(tile, len(kinds_of(mirrored=False)), 0, kinds_of(mirrored=False))
    assert (seen[:, :, :8].mean(axis=(1, 2)) > seen[:, :, -8:].mean(axis=(1, 2))).all()
