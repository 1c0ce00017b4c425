"""Pictures of any size that MLflow hands over, as views for learning: made as the site makes them, by the same rules."""

import base64
import binascii
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from models_registry.inference.names import TILE_SIDE, VIEW_SIDE, WINDOWS
from models_registry.inference.seen import shown

if TYPE_CHECKING:
    from models_registry.inference.preprocess import Preprocess

COLUMN: Final = "image"
SLOPE, INTERCEPT, LOW, HIGH = "slope", "intercept", "window_low", "window_high"
NUMBERS: Final = (SLOPE, INTERCEPT, LOW, HIGH)
MOST: Final = 256
MOST_PIXELS: Final = 100_000_000
# The longer side from twice of which on the site halves a picture first (`images.decoding.shaping`).
RENDITION_SIDE: Final = 2048
REMEDY: Final = (
    f'Send a column "{COLUMN}" of base64-encoded upright PNG pictures of any size: grey or RGB of 8 bits, or grey of 16 bits with '
    f'the columns "{LOW}" and "{HIGH}" (the values that are black and white when the picture is shown) and, where a pixel p stands '
    f'for p * slope + intercept, "{SLOPE}" and "{INTERCEPT}".'
)
Pixels = npt.NDArray[np.uint8]


class NotReadable(ValueError):
    """The input is not what the model reads; the message says what would be."""


@dataclass(frozen=True)
class GivenView:
    """As a `View` of a scan."""

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (0.0, 255.0)


def inputs(model_input: Any, preprocess: "Preprocess") -> tuple[Pixels, Pixels]:
    """Tiles, and what the networks see of the same pictures, as `Predictor.predict` takes them. Raises NotReadable."""
    if not hasattr(model_input, "columns") or COLUMN not in model_input.columns:
        raise NotReadable(f'There is no column "{COLUMN}". {REMEDY}')
    count = len(model_input[COLUMN].tolist())
    if not 1 <= count <= MOST:
        raise NotReadable(f"Send 1 to {MOST} pictures at once.")
    tiles, pixels = [], []
    for number, (text, facts) in enumerate(_rows(model_input, count), start=1):
        picture = _picture(text, number)
        view, levels = _view(picture, facts, number)
        if preprocess.look.sees == WINDOWS and view.pixels.dtype == np.uint8:
            raise NotReadable(f"Picture {number} has 8 bits and none of the values that windows are made of. {REMEDY}")
        tiles.append(np.asarray(levels.convert("L").resize((TILE_SIDE, TILE_SIDE), Image.Resampling.BILINEAR)))
        pixels.append(preprocess.pixels([view])[0])
    return np.stack(tiles), np.stack(pixels)


def _rows(frame: Any, count: int) -> Iterator[tuple[Any, dict[str, float]]]:
    columns = {name: frame[name].tolist() for name in NUMBERS if name in frame.columns}
    for index, text in enumerate(frame[COLUMN].tolist()[:count]):
        yield (
            text,
            {name: _number(values[index], name, index + 1) for name, values in columns.items() if _is(values, index)},
        )


def _is(values: Sequence[Any], index: int) -> bool:
    value = values[index]
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _number(value: Any, name: str, number: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotReadable(f'Picture {number}: "{name}" must be a number. {REMEDY}')
    return float(value)


def _picture(text: Any, number: int) -> Image.Image:
    try:
        data = text if isinstance(text, bytes) else base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise NotReadable(f"Picture {number} has more than {MOST_PIXELS:,} pixels: make it smaller.")
            if picture.mode in ("L", "RGB", "I;16", "I"):
                picture.load()
                return picture.copy()
            mode = picture.mode
    except NotReadable:
        raise
    except (TypeError, binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise NotReadable(f"Picture {number} cannot be read ({type(error).__name__}). {REMEDY}") from error
    except Image.DecompressionBombError as error:
        raise NotReadable(f"Picture {number} has more than {MOST_PIXELS:,} pixels: make it smaller.") from error
    raise NotReadable(f"Picture {number} is of the mode {mode}. {REMEDY}")


def _view(picture: Image.Image, facts: dict[str, float], number: int) -> tuple[GivenView, Image.Image]:
    """The view, and the whole picture in 8 bits."""
    if picture.mode in ("L", "RGB"):
        factor = max(picture.size) // RENDITION_SIDE
        reduced = picture.reduce(factor) if factor > 1 else picture
        size = _fitting(reduced.size)
        small = reduced if size == reduced.size else reduced.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        return GivenView(np.asarray(small)), reduced
    if LOW not in facts or HIGH not in facts:
        raise NotReadable(f'Picture {number} has 16 bits: "{LOW}" and "{HIGH}" must say how it is shown. {REMEDY}')
    if facts.get(SLOPE) == 0:
        raise NotReadable(f'Picture {number}: "{SLOPE}" must not be 0. {REMEDY}')
    pixels = np.asarray(picture).astype(np.uint16)
    window = facts[LOW], facts[HIGH]
    whole = GivenView(pixels, facts.get(SLOPE, 1.0), facts.get(INTERCEPT, 0.0), window)
    return GivenView(_shrunk(pixels), whole.slope, whole.intercept, window), shown(whole)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, VIEW_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _shrunk(pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """In floats, so that values stay as fine as they are."""
    size = _fitting((pixels.shape[1], pixels.shape[0]))
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    factor = max(1, max(pixels.shape) // (2 * VIEW_SIDE))
    grey = Image.fromarray(pixels.astype(np.float32))
    grey = (grey.reduce(factor) if factor > 1 else grey).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(np.rint(np.clip(np.asarray(grey), 0, 65535)), dtype=np.uint16)
