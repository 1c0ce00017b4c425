"""A bundle's networks as one ONNX graph, and ONNX Runtime as what runs it: the same answers as PyTorch's, in less time.

The graph takes `preprocess.Pixels`, uint8 (n, size, size) or with the channels last, and has two outputs, those of
`runtimes.Outputs`: normalisation, every network, the poses that the manifest wants, and the mean are inside.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from torch import Tensor, nn

from .architectures import Network
from .manifest import Manifest
from .preprocess import Pixels, Preprocess, blank, planes
from .runtimes import BATCH, Outputs, Runtime, batch_for, posed

PIXELS: Final = "pixels"
OUTPUTS: Final = ("logits", "features")
OPSET: Final = 18
# The most that a logit may differ from PyTorch's (of logits above one: as a share of the largest); features likewise.
PARITY: Final = 1e-4
_SIGNING_CONTEXT = b"mediscan graph v1\0"


class GraphError(ValueError):
    """The networks cannot be run as a graph, or the bytes are not this bundle's graph; the message says why."""


class _Whole(nn.Module):
    """`Pixels` of n scans -> mean logits (n, K) and joined features (n, D), as `runtimes.Eager` computes them."""

    def __init__(self, networks: Sequence[Network], manifest: Manifest) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.preprocess, self.poses = manifest.preprocess, manifest.poses

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = self.preprocess.normalise(planes(pixels).to(torch.float32) / 255)
        found = [posed(network, x, self.poses) for network in self.networks]
        logits = [one for one, _ in found]
        mean = logits[0] if len(logits) == 1 else torch.stack(logits).mean(dim=0)
        return mean, torch.cat([two for _, two in found], dim=1)


def export(networks: Sequence[Network], manifest: Manifest, bundle_digest: str, *, card: str = "") -> bytes:
    """The ONNX file. Its metadata hold the manifest, the sha256 of the bundle that it was made of, and the model card.

    Takes seconds. GraphError when PyTorch cannot export the networks.
    """
    sample = torch.from_numpy(blank(manifest.preprocess, 2))
    count = torch.export.Dim("n", min=1, max=BATCH)
    try:
        with _quiet():
            program = torch.onnx.export(
                _Whole(networks, manifest).eval(),
                (sample,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[PIXELS],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: count},),
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        raise GraphError(f"PyTorch could not export the networks ({type(error).__name__})") from error
    if program is None:
        raise GraphError("PyTorch exported nothing")
    program.model.metadata_props.update(
        {
            "bundle_sha256": bundle_digest,
            "manifest": json.dumps(manifest.to_dict()),
            "intended_use": manifest.intended_use,
            "input": described(manifest.preprocess),
            "card": card,
        }
    )
    return bytes(program.model_proto.SerializeToString())


def described(preprocess: Preprocess) -> str:
    """What the graph takes, for people."""
    sides = ", ".join(map(str, blank(preprocess, 0).shape[1:]))
    return f"uint8 (n, {sides}): {preprocess.look.words(preprocess.size)}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its own steps, which help nobody who trains a model."""
    told = logging.getLogger("torch.onnx")
    before = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(before)


class Graph:
    """ONNX Runtime on this machine's processor; a `Runtime`. One session, safe to share between threads.

    `threads`: as many as one answer may use. They sleep while they wait: those that spin take turns with every other busy
    program of the machine.
    """

    def __init__(self, data: bytes, manifest: Manifest, *, threads: int) -> None:
        # A process that trains or serves pages and never grades need not load it.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise GraphError(f"ONNX Runtime cannot load the graph ({type(error).__name__})") from error
        self._preprocess = manifest.preprocess
        self._widths = [int(output.shape[1]) for output in self._session.get_outputs()]

    def run(self, tiles: Pixels) -> Outputs:
        most = batch_for(self._preprocess.size)
        rows = [self._batch(tiles[start : start + most]) for start in range(0, len(tiles), most)]
        if not rows:
            return Outputs(*(np.zeros((0, width), np.float32) for width in self._widths))
        return Outputs(np.concatenate([row.logits for row in rows]), np.concatenate([row.features for row in rows]))

    def _batch(self, tiles: Pixels) -> Outputs:
        pixels = np.ascontiguousarray(self._preprocess.sized(tiles))
        logits, joined = self._session.run(list(OUTPUTS), {PIXELS: pixels})
        return Outputs(np.asarray(logits, dtype=np.float32), np.asarray(joined, dtype=np.float32))


@dataclass(frozen=True)
class Parity:
    """The largest differences between two runtimes on the same tiles, as `PARITY` measures them."""

    logits: float
    features: float

    @property
    def holds(self) -> bool:
        return max(self.logits, self.features) <= PARITY


def parity(one: Runtime, other: Runtime, tiles: Pixels) -> Parity:
    """Compares all tiles at once and the first alone: a batch of one takes other ways through a runtime than many."""
    pairs = [(one.run(part), other.run(part)) for part in (tiles, tiles[:1])]
    return Parity(
        max(_difference(a.logits, b.logits) for a, b in pairs),
        max(_difference(a.features, b.features) for a, b in pairs),
    )


def _difference(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    if one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return float("inf")
    return float(np.abs(one - other).max() / max(1.0, float(np.abs(other).max())))


def digest(data: bytes) -> str:
    """sha256 of the graph's bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def sign(data: bytes, bundle_digest: str, private_key: bytes) -> str:
    """Ed25519 signature (base64) that says: this graph is that bundle's. `private_key` is the raw 32 bytes."""
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(_message(data, bundle_digest))
    return base64.b64encode(signature).decode("ascii")


def verify(data: bytes, bundle_digest: str, signature: str, public_key: bytes) -> bool:
    """Whether `sign` made the signature over exactly these bytes for exactly this bundle."""
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, _message(data, bundle_digest))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _message(data: bytes, bundle_digest: str) -> bytes:
    return _SIGNING_CONTEXT + bytes.fromhex(bundle_digest) + hashlib.sha256(data).digest()
