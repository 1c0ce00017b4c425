import json
import pickle  # noqa: TID251 - to show that a pickle is refused
from dataclasses import replace

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors.torch import load, save

from models_registry.inference.architectures import COMPACT, build
from models_registry.inference.bundle import BundleError, bundle_digest, pack, sign, unpack, verify_signature
from models_registry.statistics.calibration import Calibration
from models_registry.statistics.conformal import Conformal, SetRule
from models_registry.statistics.prior import Prior
from tests.training.engine.builders import make_bundle, make_manifest


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
        ({"format_version": 2}, "format_version"),
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
