"""The exported graph says what PyTorch says, and only the graph that was signed for a bundle is that bundle's."""

import io

import numpy as np
import onnx
import pytest
import torch

from models_registry.inference import bundle as bundles
from models_registry.inference import graph
from models_registry.inference.architectures import build
from models_registry.inference.looks import Look
from models_registry.inference.names import COLOUR, COMPACT, DETAIL, GREY, LETTERBOX, SQUASH, WINDOWS
from models_registry.inference.pictures import reference_pixels, reference_tiles
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from models_registry.inference.runtimes import Outputs
from models_registry.statistics.calibration import Calibration, Referral

KEY = bytes(range(32))


def predictor(
    architecture=COMPACT, *, members=1, size=32, channels=1, flip_tta=False, turned_tta=False, preprocess=None
) -> Predictor:
    preprocess = preprocess or Preprocess(size, 0.5, 0.25, channels)
    states = []
    for seed in range(members):
        torch.manual_seed(seed)
        states.append(build(architecture, 3, preprocess.channels).state_dict())
    manifest = bundles.Manifest(
        architecture=architecture,
        classes=tuple(bundles.ClassRef(number, f"class {number}") for number in (1, 2, 3)),
        preprocess=preprocess,
        calibration=Calibration(1.5, 40),
        referral=Referral(0.0, 0.9, 0.9, 40),
        prevalence=(0.2, 0.3, 0.5),
        dataset_hash="d" * 64,
        members=members,
        flip_tta=flip_tta,
        turned_tta=turned_tta,
        laterality_matters=not flip_tta,
    )
    return Predictor(bundles.unpack(bundles.pack(manifest, bundles.join_members(states))))


def exported(made: Predictor, card: str = "") -> bytes:
    return graph.export(made.networks, made.manifest, made.digest, card=card)


@pytest.fixture(scope="module")
def committee():
    made = predictor(members=3, flip_tta=True)
    return made, exported(made, "# A card")


def test_a_committee_with_mirror_images_answers_as_pytorch_in_batches_of_any_size(committee):
    made, data = committee
    session = graph.Graph(data, made.manifest, threads=1)
    tiles = np.random.default_rng(1).integers(0, 256, (35, 256, 256), dtype=np.uint8)
    for count in (1, 2, 8, 35):
        found, expected = session.run(tiles[:count]), made.eager.run(tiles[:count])
        assert found.logits.dtype == found.features.dtype == np.float32
        assert np.abs(found.logits - expected.logits).max() <= 1e-4
        assert np.abs(found.features - expected.features).max() <= 1e-4
    nothing = session.run(tiles[:0])
    assert nothing.logits.shape == (0, 3)
    assert nothing.features.shape == made.eager.run(tiles[:0]).features.shape


def test_a_deep_network_of_three_channels_answers_as_pytorch():
    made = predictor("resnet18", channels=3, size=64)
    session = graph.Graph(exported(made), made.manifest, threads=2)
    assert graph.parity(session, made.eager, reference_tiles()).holds


@pytest.mark.parametrize("shape", [SQUASH, LETTERBOX])
@pytest.mark.parametrize(("sees", "windows"), [(GREY, ()), (COLOUR, ()), (WINDOWS, ((-600.0, 1500.0), (40.0, 400.0)))])
def test_a_graph_of_every_look_answers_as_pytorch_and_says_what_it_takes(sees, windows, shape):
    look = Look(sees, shape, windows)
    _parity(look, COMPACT, 40)


def test_a_deep_network_in_colour_answers_as_pytorch():
    _parity(Look(COLOUR, LETTERBOX), "resnet18", 64)


def _parity(look: Look, architecture: str, size: int) -> None:
    levels = (0.5, 0.4, 0.3)[: look.channels] if look.channels > 1 else 0.5
    made = predictor(architecture, preprocess=Preprocess(size, levels, levels, look.channels, look))
    data = exported(made)
    session = graph.Graph(data, made.manifest, threads=1)
    pixels = reference_pixels(made.manifest.preprocess)
    assert graph.parity(session, made.eager, pixels).holds
    (given,) = onnx.load(io.BytesIO(data)).graph.input
    sides = [side.dim_value for side in given.type.tensor_type.shape.dim]
    assert sides[1:] == list(pixels.shape[1:])
    facts = {entry.key: entry.value for entry in onnx.load(io.BytesIO(data)).metadata_props}
    assert facts["input"] == f"uint8 (n, {', '.join(map(str, pixels.shape[1:]))}): {look.words(size)}"
    with pytest.raises(ValueError, match="made of views"):
        session.run(reference_tiles())


def test_the_network_for_small_things_answers_as_pytorch():
    made = predictor(DETAIL, members=2, size=64, flip_tta=True)
    session = graph.Graph(exported(made), made.manifest, threads=1)
    assert graph.parity(session, made.eager, reference_tiles()).holds


@pytest.mark.parametrize("flip_tta", [False, True])
def test_answers_over_turned_scans_are_pytorchs_and_no_weight_is_in_the_file_twice(flip_tta):
    made = predictor(DETAIL, members=2, size=64, flip_tta=flip_tta, turned_tta=True)
    data = exported(made)
    assert graph.parity(graph.Graph(data, made.manifest, threads=1), made.eager, reference_tiles()).holds
    assert len(data) < 1.3 * len(exported(predictor(DETAIL, members=2, size=64)))


def test_other_weights_do_not_pass_as_equal(committee):
    _, data = committee
    other = predictor(members=1)
    found = graph.parity(graph.Graph(data, other.manifest, threads=1), other.eager, reference_tiles())
    assert not found.holds


def test_logits_that_are_not_finite_or_of_another_shape_never_pass():
    class Says:
        def __init__(self, logits):
            self.logits = np.array(logits, dtype=np.float32)

        def run(self, tiles):
            return Outputs(self.logits, np.zeros((1, 2), np.float32))

    sound = Says([[1.0, 2.0]])
    assert graph.parity(sound, sound, reference_tiles()).holds
    assert not graph.parity(Says([[np.nan, 2.0]]), sound, reference_tiles()).holds
    assert not graph.parity(Says([[1.0]]), sound, reference_tiles()).holds
    assert not graph.parity(Says([[1.0, 2.001]]), sound, reference_tiles()).holds


def test_the_file_carries_its_card_its_use_and_the_bundle_it_was_made_of(committee):
    made, data = committee
    model = onnx.load(io.BytesIO(data))
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["card"], facts["bundle_sha256"]) == ("# A card", made.digest)
    assert "Research use only" in facts["intended_use"]
    assert [one.name for one in model.graph.input] == ["pixels"]
    assert [one.name for one in model.graph.output] == ["logits", "features"]


def test_a_signature_holds_for_these_bytes_and_this_bundle_alone():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()
    signature = graph.sign(b"graph", "ab" * 32, KEY)
    assert graph.verify(b"graph", "ab" * 32, signature, public)
    assert not graph.verify(b"graph!", "ab" * 32, signature, public)
    assert not graph.verify(b"graph", "ac" * 32, signature, public)
    assert not graph.verify(b"graph", "ab" * 32, "no signature", public)


def test_what_is_no_graph_is_refused_with_the_reason(committee):
    made, _ = committee
    with pytest.raises(graph.GraphError, match="cannot load"):
        graph.Graph(b"not a graph", made.manifest, threads=1)
