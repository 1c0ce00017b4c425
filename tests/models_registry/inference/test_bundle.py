import json
import pickle  # noqa: TID251 - to show that a pickle is refused
from dataclasses import replace

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.torch import load, save

from models_registry.inference.architectures import COMPACT, build
from models_registry.inference.bundle import BundleError, bundle_digest, pack, sign, unpack, verify_signature
from models_registry.inference.looks import COLOUR, GREY, LETTERBOX, SQUASH, WINDOWS, Look
from models_registry.inference.names import EQUALISED
from models_registry.inference.preprocess import Preprocess
from models_registry.statistics.calibration import Calibration
from models_registry.statistics.conformal import Conformal, SetRule
from models_registry.statistics.prior import Prior
from tests.training.engine.builders import make_bundle, make_manifest

COLOURS = Preprocess(32, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 3, Look(COLOUR, LETTERBOX))
CT = Preprocess(300, (0.5, 0.4), (0.2, 0.1), 2, Look(WINDOWS, SQUASH, ((-600.0, 1500.0), (40.0, 400.0))))
# Of bundles as they were before there was more to see than tiles: made with the code of then, to the byte.
BEFORE = {
    COMPACT: "633635b257549d164b5e773260c64660f610b564b88f0c11a39fd63f25d430cb",
    "resnet18": "20c329ba4c3cbab521327be3b67a5bccfb0434f257e9b7e4577c7a6ee93fa5e7",
}


@pytest.fixture(scope="module")
def data():
    return make_bundle()


def rewritten(data: bytes, **changes) -> bytes:
    """The same weights under a manifest with other JSON values."""
    manifest = {**make_manifest().to_dict(), **changes}
    return save(load(data), metadata={"mediscan": json.dumps(manifest)})


def test_a_bundle_gives_back_its_manifest_and_weights(data):
    bundle = unpack(data)
    assert bundle.manifest == make_manifest()
    assert bundle.class_names == ["CLASS 0", "CLASS 1"]
    assert bundle.digest == bundle_digest(data)
    assert pack(bundle.manifest, bundle.state_dict) == data


def test_what_a_bundle_says_of_prior_and_sets_is_kept_and_what_it_does_not_say_is_not_available():
    prior = Prior((0.3, 0.7), (0.5, 0.5), (0.25, 0.75), (0.9, 0.1))
    conformal = Conformal(0.9, SetRule((0.5, 0.5), (9, 9)), SetRule(None, (9, 3), "too few"))
    kept = unpack(make_bundle(prior=prior, conformal=conformal)).manifest
    assert (kept.prior, kept.conformal) == (prior, conformal)
    silent = unpack(make_bundle()).manifest
    assert (silent.prior, silent.conformal) == (None, None)
    assert not {"prior", "conformal"} & silent.to_dict().keys()


def test_a_bundle_without_calibration_keeps_the_reason():
    manifest = make_manifest(calibration=Calibration(None, 4, "only 4 validation scans"))
    assert (
        unpack(make_bundle(calibration=manifest.calibration)).manifest.calibration.reason == "only 4 validation scans"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2}, "format_version must be 1 for what it sees"),
        ({"format_version": 4}, "a newer release of MediScan may read it"),
        ({"format_version": True}, "format_version must be one of 1, 2, 3"),
        ({"preprocess": {**COLOURS.to_dict()}}, "format_version must be 2 for what it sees"),
        ({"preprocess": {**COLOURS.to_dict(), "sees": "smell"}}, "sees must be of"),
        ({"preprocess": {**COLOURS.to_dict(), "shape": "round"}}, "shape of"),
        ({"preprocess": {**COLOURS.to_dict(), "mean": [0.5, 0.5]}}, "numbers, or 3 of them"),
        ({"architecture": "vgg16"}, "architecture must be one of"),
        ({"architecture": "resnet34"}, "do not belong to resnet34"),
        ({"classes": [{"id": 1, "name": "A"}]}, "classes must have"),
        ({"classes": [{"id": 1, "name": "A"}, {"id": 2, "name": "A"}]}, "unique"),
        ({"classes": [{"id": True, "name": "A"}, {"id": 2, "name": "B"}]}, "id must be"),
        (
            {"classes": [{"id": i, "name": str(i)} for i in range(3)], "prevalence": [0.2, 0.3, 0.5]},
            "fc.weight must be",
        ),
        ({"classes": "AB"}, "classes must be"),
        ({"preprocess": {"size": 32}}, "preprocess is incomplete"),
        ({"calibration": {"temperature": -1, "n": 3, "reason": ""}}, "temperature must be positive"),
        ({"referral": {"threshold": 0.5}}, "referral is incomplete"),
        ({"prevalence": [0.5, 7]}, "prevalence"),
        ({"flip_tta": True}, "laterality"),
        ({"prior": {"training": [0.5, 0.5]}}, "prior is incomplete"),
        ({"prior": "equal"}, "prior must be"),
        (
            {"prior": {"training": [0.5, 0.5], "sampling": [0.5, 0.5], "calibration": None, "expected": [1.0, 0.0]}},
            "prior.expected must be above 0",
        ),
        (
            {"prior": {"training": [1.0], "sampling": [1.0], "calibration": None, "expected": None}},
            "prior must have one share per class",
        ),
        ({"conformal": {"target": 0.9}}, "conformal is incomplete"),
        (
            {"conformal": Conformal(0.9, SetRule((0.5,), (9,)), SetRule((0.5,), (9,))).to_dict()},
            "one threshold per class",
        ),
        ({"dataset_hash": None}, "dataset_hash"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused_by_name(data, changes, said):
    with pytest.raises(BundleError, match=said):
        unpack(rewritten(data, **changes))


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"PK\x03\x04",
        b"\xff" * 64,
        (2**62).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"[[[[",
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        pickle.dumps({"a": 1}),
        save({"x": torch.zeros(2)}),
    ],
)
def test_bytes_that_are_no_bundle_are_refused(junk):
    with pytest.raises(BundleError, match="not a bundle"):
        unpack(junk)


def test_a_bundle_cut_short_is_refused(data):
    with pytest.raises(BundleError, match="not valid safetensors"):
        unpack(data[:-100])


def test_weights_that_are_missing_extra_reshaped_recast_or_not_finite_are_refused():
    state = dict(build(COMPACT, 2).state_dict())
    name = "layer1.0.conv1.weight"
    poisoned = state[name].clone()
    poisoned[0, 0, 0, 0] = float("nan")
    without = {k: v for k, v in state.items() if k != name}
    for wrong, said in (
        (without, "1 missing"),
        ({**state, "evil": torch.zeros(1)}, "1 unexpected"),
        ({**state, name: state[name][:1]}, "must be"),
        ({**state, name: state[name].half()}, "float16"),
        ({**state, name: poisoned}, "not finite"),
    ):
        with pytest.raises(BundleError, match=said):
            pack(make_manifest(), wrong)


def test_a_signature_holds_for_these_bytes_and_this_key_only(data):
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = sign(data, key.private_bytes_raw())
    public = key.public_key().public_bytes_raw()
    assert verify_signature(data, signature, public)
    assert not verify_signature(data[:-1] + bytes([data[-1] ^ 1]), signature, public)
    assert not verify_signature(data, signature, other.public_key().public_bytes_raw())
    assert not verify_signature(data, "no base64!", public)
    assert not verify_signature(data, signature, b"short")


def test_a_manifest_refuses_flip_averaging_where_laterality_matters():
    with pytest.raises(BundleError, match="flip_tta"):
        replace(make_manifest(), flip_tta=True)


def counted_weights(architecture: str, channels: int = 1) -> dict[str, torch.Tensor]:
    """Weights that need no random numbers, and depend on no release of PyTorch."""
    state = build(architecture, 2, channels).state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            steps = torch.arange(value.numel(), dtype=torch.float64).remainder(17).sub(8).div(64).reshape(value.shape)
            state[name] = (steps.abs() + 0.5 if name.endswith(("running_var",)) else steps).to(value.dtype)
    return state


@pytest.mark.parametrize(("architecture", "channels"), [(COMPACT, 1), ("resnet18", 3)])
def test_a_bundle_that_sees_tiles_is_written_byte_for_byte_as_before(architecture, channels):
    manifest = make_manifest(architecture=architecture, preprocess=Preprocess(32, 0.5, 0.25, channels), packages={})
    data = pack(manifest, counted_weights(architecture, channels))
    assert bundle_digest(data) == BEFORE[architecture]
    assert manifest.to_dict()["format_version"] == 1
    assert set(manifest.to_dict()["preprocess"]) == {"size", "mean", "std", "channels"}


@pytest.mark.parametrize("preprocess", [COLOURS, CT])
def test_what_a_bundle_sees_is_kept_and_programs_that_know_tiles_alone_refuse_it(preprocess):
    manifest = make_manifest(preprocess=preprocess)
    data = pack(manifest, counted_weights(COMPACT, preprocess.channels))
    kept = unpack(data)
    assert kept.manifest.preprocess == preprocess
    assert pack(kept.manifest, kept.state_dict) == data
    # They ask for exactly 1.
    assert json.loads(json.dumps(kept.manifest.to_dict()))["format_version"] == 2


@pytest.mark.parametrize(
    "told", [{"turned_tta": True}, {"preprocess": Preprocess(32, 0.5, 0.25, 1, Look(GREY, levels=EQUALISED))}]
)
def test_programs_that_would_answer_otherwise_refuse_what_came_later(told):
    manifest = make_manifest(**told)
    kept = unpack(pack(manifest, counted_weights(COMPACT))).manifest
    assert kept == manifest
    # Earlier releases ask for 1 or 2.
    assert kept.to_dict()["format_version"] == 3
