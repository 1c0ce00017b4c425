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
from models_registry.models import ModelVersion
from models_registry.versions import accelerating, graphs

if TYPE_CHECKING:
    from models_registry.inference.bundle import Bundle
    from models_registry.inference.predictor import Predictor

CAPACITY: Final = 3
# The task that loads a version in the grade workers. By name: the task's module is above this one.
WARM: Final = "models_registry.warm"

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


def seal(data: bytes) -> Sealed:
    """Check and sign a bundle that is about to be registered; BundleDamaged when it could not be loaded again."""
    from models_registry.inference.bundle import BundleError, sign, unpack

    try:
        opened = unpack(data)
    except BundleError as error:
        raise BundleDamaged(f"This is not a bundle: {error}") from error
    return Sealed(opened.digest, sign(data, ring.current().signing_seed), opened.manifest.to_dict())


def predictor(model: ModelVersion) -> "Predictor":
    """The version's predictor, from memory when it was loaded before. Raises BundleDamaged."""
    with _lock:
        known = _cache.get(model.bundle_sha256)
        # One that PyTorch serves is loaded again once its graph is there.
        if known is None or (not known.has_graph and graphs.has_one(model)):
            known = _load(model)
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
    """Proves that the version can serve: loads the stored bytes afresh, verifies them, and predicts reference pictures."""
    with _lock:
        loaded = _load(model)
    from models_registry.inference.pictures import reference_inputs

    shares = loaded.predict(*reference_inputs(loaded.manifest.preprocess)).probabilities
    if not (np.isfinite(shares).all() and np.allclose(shares.sum(axis=1), 1.0)):
        raise BundleDamaged(f"{model.code} gives no probabilities for the reference pictures.")
    with _lock:
        _cache[model.bundle_sha256] = loaded


def bundle(model: ModelVersion) -> "Bundle":
    """The stored bundle, verified. Raises BundleDamaged."""
    from models_registry.inference.bundle import BundleError, bundle_digest, unpack, verify_signature

    try:
        data = blobs.read(model.bundle)
    except DamagedObject as error:
        raise BundleDamaged(f"The stored bundle of {model.code} is damaged: {error}") from error
    if bundle_digest(data) != model.bundle_sha256:
        raise BundleDamaged(f"The stored bundle of {model.code} is not the one that was registered.")
    if not verify_signature(data, model.bundle_signature, ring.current().signing_public):
        raise BundleDamaged(f"The signature of {model.code} does not verify with this site's key.")
    try:
        opened = unpack(data)
    except BundleError as error:
        raise BundleDamaged(f"The bundle of {model.code} cannot be loaded: {error}") from error
    if [c.id for c in opened.manifest.classes] != [entry["id"] for entry in model.classes]:
        raise BundleDamaged(f"The classes of {model.code}'s bundle are not those of its row.")
    return opened


def _load(model: ModelVersion) -> "Predictor":
    from models_registry.inference.predictor import Predictor

    opened = bundle(model)
    loaded = accelerating.accelerated(model, Predictor(opened, runtime=graphs.load(model, opened.manifest)))
    loaded.warm()
    return loaded
