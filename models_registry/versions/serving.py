"""Loading a version's bundle, verified, and keeping the last few in memory. The only door from rows to a predictor.

PyTorch is imported when a bundle is first needed: a web process that never deploys stays small.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mediscan_site.core.storage import blobs, ring
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.inference.names import TILE_SIDE
from models_registry.models import ModelVersion

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor

CAPACITY: Final = 3

_cache: "OrderedDict[str, Predictor]" = OrderedDict()
_lock = threading.Lock()


class BundleDamaged(Exception):
    """The stored bundle is not the one that was registered, or it is not one that may be loaded."""


@dataclass(frozen=True)
class Sealed:
    """A checked bundle: its digest, this site's signature over it, and what its manifest says."""

    digest: str
    signature: str
    manifest: dict[str, Any]


def seal(bundle: bytes) -> Sealed:
    """Check and sign a bundle that is about to be registered; BundleDamaged when it could not be loaded again."""
    from models_registry.inference.bundle import BundleError, sign, unpack

    try:
        opened = unpack(bundle)
    except BundleError as error:
        raise BundleDamaged(f"This is not a bundle: {error}") from error
    return Sealed(opened.digest, sign(bundle, ring.current().signing_seed), opened.manifest.to_dict())


def predictor(model: ModelVersion) -> "Predictor":
    """The version's predictor, from memory when it was loaded before. Raises BundleDamaged."""
    with _lock:
        known = _cache.get(model.bundle_sha256) or _load(model)
        _cache[model.bundle_sha256] = known
        _cache.move_to_end(model.bundle_sha256)
        while len(_cache) > CAPACITY:
            _cache.popitem(last=False)
    return known


def forget() -> None:
    """Empty the memory."""
    with _lock:
        _cache.clear()


def warm(model: ModelVersion) -> None:
    """Proves that the version can serve: loads the stored bytes afresh, verifies them, and predicts reference tiles."""
    with _lock:
        loaded = _load(model)
    shares = loaded.predict(reference_tiles()).probabilities
    if not (np.isfinite(shares).all() and np.allclose(shares.sum(axis=1), 1.0)):
        raise BundleDamaged(f"{model.code} gives no probabilities for the reference pictures.")
    with _lock:
        _cache[model.bundle_sha256] = loaded


def reference_tiles() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """uint8 (4, 256, 256), always the same: black, a ramp, a checkerboard and noise."""
    ramp = np.tile(np.arange(TILE_SIDE, dtype=np.uint8), (TILE_SIDE, 1))
    board = (np.indices((TILE_SIDE, TILE_SIDE)).sum(axis=0) // 16 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (TILE_SIDE, TILE_SIDE), dtype=np.uint8)
    return np.stack([np.zeros_like(ramp), ramp, board, noise])


def _load(model: ModelVersion) -> "Predictor":
    from models_registry.inference.bundle import BundleError, bundle_digest, unpack, verify_signature
    from models_registry.inference.predictor import Predictor

    try:
        data = blobs.read(model.bundle)
    except DamagedObject as error:
        raise BundleDamaged(f"The stored bundle of {model.code} is damaged: {error}") from error
    if bundle_digest(data) != model.bundle_sha256:
        raise BundleDamaged(f"The stored bundle of {model.code} is not the one that was registered.")
    if not verify_signature(data, model.bundle_signature, ring.current().signing_public):
        raise BundleDamaged(f"The signature of {model.code} does not verify with this site's key.")
    try:
        bundle = unpack(data)
    except BundleError as error:
        raise BundleDamaged(f"The bundle of {model.code} cannot be loaded: {error}") from error
    if [c.id for c in bundle.manifest.classes] != [entry["id"] for entry in model.classes]:
        raise BundleDamaged(f"The classes of {model.code}'s bundle are not those of its row.")
    loaded = Predictor(bundle)
    loaded.warm()
    return loaded
