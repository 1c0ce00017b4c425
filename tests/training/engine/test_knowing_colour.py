"""A version that sees colours knows what colours its scans have: grey pictures and other stains are far."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from images.phantoms import phantom
from models_registry.inference.architectures import COMPACT, build
from models_registry.inference.bundle import BundleError, pack, unpack
from models_registry.inference.knowing import lowlevel
from models_registry.inference.knowing.detector import Detector
from models_registry.inference.knowing.facts import Knowing
from models_registry.inference.knowing.posture import PUT
from models_registry.inference.knowing.views import kinds_of, views
from models_registry.inference.looks import COLOUR, LETTERBOX, Look
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from tests.training.engine.builders import make_manifest
from training.engine import points
from training.engine.knowing import fit_knowing
from training.engine.material import Material

SIZE = 32
WEIGHTS = np.random.default_rng(1).normal(size=(SIZE * SIZE, 24)) / SIZE


def cells(n: int, seed: int, *, stain: tuple[float, float, float] = (0.55, 0.25, 0.6)) -> np.ndarray:
    """Purple cells on rose ground, at any place: (n, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    made = []
    for _ in range(n):
        ground = np.array([0.9, 0.78, 0.82]) * rng.uniform(0.94, 1.04)
        picture = np.ones((SIZE, SIZE, 3)) * ground
        for _ in range(rng.integers(2, 5)):
            y, x, radius = *rng.uniform(6, 26, 2), rng.uniform(3, 7)
            inside = np.clip(radius - np.hypot(rows - y, columns - x), 0, 1)[..., None]
            picture = picture * (1 - inside) + inside * np.array(stain) * rng.uniform(0.85, 1.15)
        made.append(picture + rng.normal(0, 0.02, picture.shape))
    return (np.clip(made, 0, 1) * 255).astype(np.uint8)


def features(pixels: np.ndarray) -> np.ndarray:
    """Stands for a network that is blind to colour: what is far, then, the look has found."""
    return np.maximum(pixels.mean(axis=3).reshape(len(pixels), -1) / 255 @ WEIGHTS, 0).astype(np.float32)


def material(**changes) -> Material:
    labels = np.arange(120) % 2
    usual = Material(cells(120, 1), labels, cells(40, 2), features, mirrored=True, smallest_side=200, colour=True)
    return replace(usual, **changes)


@pytest.fixture(scope="module")
def known():
    return fit_knowing(material(any_angle=True))


@pytest.fixture(scope="module")
def detector(known):
    return Detector.of(*known, SIZE)


def share(detector: Detector, pixels: np.ndarray) -> float:
    return float((detector.judge(features(pixels), pixels).distances > 1).mean())


def test_cells_of_the_same_kind_also_in_other_light_or_turned_are_near(detector):
    seen = cells(60, 3)
    assert share(detector, seen) <= 0.15
    for quarters in (1, 2, 3):
        # Its networks see the same mean over right angles; the stand-in's features do not.
        turned = np.ascontiguousarray(np.rot90(seen, quarters, (1, 2)))
        assert np.allclose(detector._eyes.looks(turned), detector._eyes.looks(seen))
        assert share(detector, turned) <= 0.2
    assert share(detector, (seen * [0.97, 1.0, 0.98]).astype(np.uint8)) <= 0.2


def test_the_same_in_grey_and_in_another_stain_is_far(detector):
    grey = np.repeat(cells(60, 3).mean(axis=3).astype(np.uint8)[..., None], 3, axis=3)
    assert share(detector, grey) >= 0.95
    assert share(detector, cells(60, 3, stain=(0.25, 0.5, 0.35))) >= 0.95
    assert share(detector, cells(60, 3)[..., ::-1].copy()) >= 0.95


def test_a_radiograph_is_far(detector):
    films = [phantom(7000 + number, 0, bool(number % 2)).convert("RGB").resize((SIZE, SIZE)) for number in range(30)]
    assert share(detector, np.stack([np.asarray(film) for film in films])) == 1


def test_without_the_colours_the_same_detector_would_not_see_the_stain():
    blind = Detector.of(*fit_knowing(material(any_angle=True, colour=False)), SIZE)
    grey = np.repeat(cells(60, 3).mean(axis=3).astype(np.uint8)[..., None], 3, axis=3)
    assert share(blind, grey) <= 0.3


def test_where_scans_may_lie_any_way_a_turned_one_has_no_posture(known):
    assert set(known[0].postures) <= {"inverted"}
    measured = known[0].measured
    # By the picture alone, they are the same scans.
    assert measured["turned_left"] == measured["upside_down"] == measured["turned_right"] <= measured["validation"]


def test_a_bundle_in_colour_keeps_it_and_a_grey_picture_is_referred(known):
    facts, tensors = known
    assert facts.colour
    assert facts.any_angle
    assert Knowing.from_dict(facts.to_dict()) == facts
    assert facts.shapes["knowing/look/centre"] == (lowlevel.WIDTH + lowlevel.COLOUR_WIDTH,)
    preprocess = Preprocess(SIZE, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, Look(COLOUR, LETTERBOX))
    network = build(COMPACT, 2, 3).eval()
    facts = replace(facts, dimension=24)
    manifest = make_manifest(preprocess=preprocess, knowing=facts)
    # The networks' features have another width than the stand-in's, so the look alone is asked.
    eyes = Predictor(unpack(pack(manifest, {**network.state_dict(), **tensors})))._detector
    assert eyes is not None
    assert eyes._eyes.looks(cells(5, 9)).max() < facts.limits["look"] * 2
    grey_ones = np.repeat(cells(5, 9).mean(axis=3).astype(np.uint8)[..., None], 3, axis=3)
    assert eyes._eyes.looks(grey_ones).min() > facts.limits["look"]
    with pytest.raises(BundleError, match="look at colours where the networks see them"):
        make_manifest(knowing=facts)


class Stored:
    """Pixels that are read when they are asked for, a bounded number at a time."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels, self.shape, self.most = pixels, pixels.shape, 0

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, index) -> np.ndarray:
        found = self._pixels[index]
        self.most = max(self.most, len(found))
        return found


def test_pixels_are_read_a_few_at_a_time_and_that_changes_little(monkeypatch):
    whole, _ = fit_knowing(material(points=400))
    lazy = Stored(cells(120, 1))
    monkeypatch.setattr(points, "TILES_BYTES", 100 * SIZE * SIZE * 3)
    blocks, tensors = fit_knowing(material(train=lazy, val=Stored(cells(40, 2)), points=400))
    assert lazy.most <= 100 // 2
    assert (blocks.n, blocks.n_views, blocks.n_validation) == (whole.n, whole.n_views, whole.n_validation)
    found = Detector.of(blocks, tensors, SIZE)
    assert share(found, cells(60, 3)) <= 0.15
    again, same = fit_knowing(material(train=lazy, val=Stored(cells(40, 2)), points=400))
    assert again == blocks
    assert all(np.array_equal(same[name], tensors[name]) for name in tensors)


def test_views_of_colours_keep_their_shape_and_tint_is_for_colours_alone():
    seen = cells(6, 4)
    plain, coloured = kinds_of(mirrored=True), kinds_of(mirrored=True, coloured=True)
    assert set(coloured) - set(plain)
    made = views(seen, len(coloured), 1, coloured)
    assert made.shape == (6 * len(coloured), SIZE, SIZE, 3)
    assert made.dtype == np.uint8
    for put in PUT.values():
        assert put(seen).shape == seen.shape
    # A change of the grey picture alone cannot move one colour against another.
    grey = np.asarray(Image.fromarray(seen[0]).convert("L"))[None]
    assert np.array_equal(views(grey, 3, 1, plain), views(np.repeat(grey[..., None], 3, 3), 3, 1, plain)[..., 0])
