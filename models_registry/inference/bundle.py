"""A bundle: one safetensors file whose metadata carries the JSON manifest. Nothing is ever unpickled.

Layout of a safetensors file: 8 bytes little-endian header length, a JSON header, the raw tensors.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .architectures import build
from .knowing.facts import PREFIX
from .manifest import BundleError, ClassRef, Manifest, package_versions

__all__ = [
    "Bundle",
    "BundleError",
    "ClassRef",
    "Manifest",
    "bundle_digest",
    "join_members",
    "pack",
    "package_versions",
    "sign",
    "split_members",
    "unpack",
    "verify_signature",
]

METADATA_KEY = "mediscan"
MAX_HEADER_BYTES = 8 << 20
_SIGNING_CONTEXT = b"mediscan bundle v1\0"


@dataclass(frozen=True)
class Bundle:
    """A validated bundle: manifest, weights by name, and the sha256 of its bytes."""

    manifest: Manifest
    state_dict: dict[str, Tensor]
    digest: str

    @property
    def class_names(self) -> list[str]:
        return [c.name for c in self.manifest.classes]

    @property
    def member_states(self) -> list[dict[str, Tensor]]:
        """The weights of each network, under the names that the network itself gives them."""
        return split_members(self.weights, self.manifest.members)

    @property
    def weights(self) -> dict[str, Tensor]:
        """What the networks are made of, without what the version knows of its limits."""
        return {name: value for name, value in self.state_dict.items() if not name.startswith(PREFIX)}


def join_members(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Weights of several networks in one dictionary, named `member0/…`; those of a single one keep their names."""
    if len(states) == 1:
        return dict(states[0])
    return {f"member{index}/{name}": value for index, state in enumerate(states) for name, value in state.items()}


def split_members(state: Mapping[str, Tensor], members: int) -> list[dict[str, Tensor]]:
    """Inverse of `join_members`."""
    if members == 1:
        return [dict(state)]
    prefixes = [f"member{index}/" for index in range(members)]
    return [
        {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        for prefix in prefixes
    ]


def expected_state(manifest: Manifest) -> dict[str, Tensor]:
    """The names, shapes and dtypes of the manifest's networks, and of what it knows of its limits, without allocating memory."""
    with torch.device("meta"):
        network = build(manifest.architecture, len(manifest.classes), manifest.preprocess.channels)
        shapes = manifest.knowing.shapes if manifest.knowing else {}
        known = {name: torch.empty(shape) for name, shape in shapes.items()}
    return join_members([network.state_dict()] * manifest.members) | known


def pack(manifest: Manifest, state_dict: Mapping[str, Tensor]) -> bytes:
    """Manifest and weights as bytes, the same bytes for the same input; `BundleError` if they do not fit together."""
    state = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(state_dict.items())}
    _check_state(manifest, state)
    text = json.dumps(manifest.to_dict(), sort_keys=True, allow_nan=False, ensure_ascii=True)
    return bytes(save(state, metadata={METADATA_KEY: text}))


def unpack(data: bytes) -> Bundle:
    """Read and validate a bundle: manifest schema, allowed architecture, exact weights, all finite; else `BundleError`."""
    manifest = Manifest.from_dict(_read_manifest(data))
    try:
        state = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the file is not valid safetensors: {error}") from error
    _check_state(manifest, state)
    return Bundle(manifest, state, bundle_digest(data))


def _read_manifest(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, len(data) - 8):
        raise BundleError("the file is not a bundle: it is cut short or has no safetensors header")
    try:
        header = json.loads(data[8 : 8 + length])
        manifest = json.loads(header["__metadata__"][METADATA_KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"the file is not a bundle: its manifest cannot be read ({type(error).__name__})") from error
    if not isinstance(manifest, dict):
        raise BundleError("manifest: it must be a JSON object")
    return manifest


def _check_state(manifest: Manifest, state: Mapping[str, Tensor]) -> None:
    expected = expected_state(manifest)
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        raise BundleError(
            f"the weights do not belong to {manifest.architecture}: {len(missing)} missing ({', '.join(missing[:3])}), "
            f"{len(extra)} unexpected ({', '.join(extra[:3])})"
        )
    for name, value in expected.items():
        got = state[name]
        if got.shape != value.shape or got.dtype != value.dtype:
            raise BundleError(
                f"weight {name} must be {value.dtype} {tuple(value.shape)}, got {got.dtype} {tuple(got.shape)}"
            )
        if got.is_floating_point() and not bool(torch.isfinite(got).all()):
            raise BundleError(f"weight {name} holds values that are not finite")


def bundle_digest(data: bytes) -> str:
    """sha256 of the bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def _message(data: bytes) -> bytes:
    return _SIGNING_CONTEXT + hashlib.sha256(data).digest()


def sign(data: bytes, private_key: bytes) -> str:
    """Ed25519 signature (base64) over the bundle's digest; `private_key` is the raw 32 bytes."""
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(_message(data))
    return base64.b64encode(signature).decode("ascii")


def verify_signature(data: bytes, signature: str, public_key: bytes) -> bool:
    """Whether `signature` was made by `sign` over exactly these bytes with the key of `public_key` (raw 32 bytes)."""
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, _message(data))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
