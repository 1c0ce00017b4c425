"""A bundle as an MLflow python function: plain files, no pickle. The answers are the site's own, by the same code.

MLflow puts the folder `code` next to the bundle on the module path and calls `_load_pyfunc` with the model's folder. What the
input is depends on what the version sees. Of most it is tiles, made as the site makes them from an upright 8-bit picture:

    picture.convert("L").resize((256, 256), Image.Resampling.BILINEAR)

Of those that see colours, windows or their own shape it is pictures of any size: see `given`.
"""

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from models_registry.book import given
from models_registry.book.given import COLUMN, NotReadable
from models_registry.inference.bundle import BundleError, unpack, verify_signature
from models_registry.inference.names import TILE_SIDE
from models_registry.inference.predictor import Predictions, Predictor

BUNDLE: Final = "bundle.mediscan"
SEAL: Final = "seal.json"
MOST_TILES: Final = 256
REMEDY: Final = (
    f'Send either a column "{COLUMN}" of base64-encoded 8-bit grey PNG pictures of {TILE_SIDE} by {TILE_SIDE} pixels, or whole '
    f"numbers from 0 to 255 of the shape ({TILE_SIDE}, {TILE_SIDE}) or (n, {TILE_SIDE}, {TILE_SIDE})."
)


class NotTiles(NotReadable):
    """The input is no tiles."""


class Servable:
    """One bundle that answers."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """One answer per picture: `prediction`, `confidence` (null when not calibrated), `decision` (answer or refer), its
        `reasons`, `distance` from what was learned, as a share of the limit from which on it refers (null where the version
        cannot tell), `probabilities` by class, `prediction_set` (the most probable class first; null without thresholds) and the
        share of scans whose sets are to hold the true class, `prediction_set_coverage`. Raises NotReadable."""
        del params
        predictions = self._predictor.predict(*self._inputs(model_input))
        sets = self._predictor.prediction_set(predictions)
        inside = [None] * len(predictions.probabilities) if sets is None else list(sets)
        return [self._answer(predictions, index, members) for index, members in enumerate(inside)]

    def _inputs(self, model_input: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
        if self._predictor.needs_views:
            return given.inputs(model_input, self._predictor.manifest.preprocess)
        return tiles(model_input), None

    def _answer(self, predictions: Predictions, index: int, members: npt.NDArray[np.bool_] | None) -> dict[str, Any]:
        shares, known = predictions.probabilities[index], predictions.resemblance
        names, sets = self._predictor.class_names, self._predictor.manifest.conformal
        decision = self._predictor.decide(predictions, index)
        return {
            "prediction": names[int(shares.argmax())],
            "confidence": float(shares.max()) if predictions.calibrated else None,
            "decision": decision.decision,
            "reasons": list(decision.reasons),
            "distance": None if known is None else float(known.distances[index]),
            "probabilities": dict(zip(names, shares.tolist(), strict=True)),
            "prediction_set": None if members is None else [names[k] for k in np.argsort(-shares) if members[k]],
            "prediction_set_coverage": None if members is None or sets is None else sets.target,
            "intended_use": self._predictor.manifest.intended_use,
        }


def tiles(model_input: Any) -> npt.NDArray[np.uint8]:
    """Whatever MLflow hands over → uint8 (N, 256, 256). Raises NotTiles."""
    if hasattr(model_input, "columns"):
        if COLUMN not in model_input.columns:
            raise NotTiles(f'There is no column "{COLUMN}". {REMEDY}')
        return _pictures(model_input[COLUMN].tolist())
    return _numbers(model_input)


def _pictures(texts: Sequence[Any]) -> npt.NDArray[np.uint8]:
    if not 1 <= len(texts) <= MOST_TILES:
        raise NotTiles(f"Send 1 to {MOST_TILES} pictures at once.")
    return np.stack([_picture(text, number) for number, text in enumerate(texts, start=1)])


def _picture(text: Any, number: int) -> npt.NDArray[np.uint8]:
    try:
        data = text if isinstance(text, bytes) else base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode == "L" and picture.size == (TILE_SIDE, TILE_SIDE):
                return np.asarray(picture, dtype=np.uint8)
            what = f"has {picture.size[0]} by {picture.size[1]} pixels of the mode {picture.mode}"
    except (TypeError, binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise NotTiles(f"Picture {number} cannot be read ({type(error).__name__}). {REMEDY}") from error
    raise NotTiles(f"Picture {number} {what}. {REMEDY}")


def _numbers(values: Any) -> npt.NDArray[np.uint8]:
    try:
        tiles_given = np.asarray(values)
    except ValueError as error:
        raise NotTiles(REMEDY) from error
    if tiles_given.ndim == 2:
        tiles_given = tiles_given[None]
    if tiles_given.shape[1:] != (TILE_SIDE, TILE_SIDE) or not 1 <= len(tiles_given) <= MOST_TILES:
        raise NotTiles(f"The shape is {tiles_given.shape}. {REMEDY} At most {MOST_TILES} at once.")
    if tiles_given.dtype.kind not in "iu" or tiles_given.min() < 0 or tiles_given.max() > 255:
        raise NotTiles(f"These are not grey levels. {REMEDY}")
    return tiles_given.astype(np.uint8)


def _load_pyfunc(path: str) -> Servable:
    """Called by MLflow with the folder of the model. BundleError when the bundle is not the one that was sealed."""
    folder = Path(path)
    data = (folder / BUNDLE).read_bytes()
    seal = json.loads((folder / SEAL).read_text())
    if not verify_signature(data, seal["signature"], base64.b64decode(seal["public_key"])):
        raise BundleError(f"{BUNDLE} is not the file that {SEAL} was made for: fetch the model again")
    predictor = Predictor(unpack(data))
    predictor.warm()
    return Servable(predictor)
