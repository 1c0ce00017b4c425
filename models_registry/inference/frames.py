"""One answer of a scan from those of its frames.

The logits of the frames are averaged, and then scaled and corrected once, as those of a scan of one frame are: the mean of logits
is the geometric mean of the probabilities, and the temperature that calibrates it was fitted on the same mean. A frame on which
nobody could read anything takes no part, as the first and the last of a stack often are: only where that is more than half of the
frames is the scan itself unreadable. Training leaves the same frames out.

How far a scan lies from what was learned is what its middle frame says, of an even number the farther one of the two: each frame
was held against limits for single pictures, and the farthest of sixteen would refer scans for nothing but their number of frames,
while a recording of something else is far in nearly all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models_registry.statistics.calibration import Floats
from models_registry.statistics.prior import Prior, served_probabilities

from .knowing.detector import Resemblance
from .predictor import Predictions, Predictor
from .refer_reasons import ReferReason

Features = npt.NDArray[np.float32]
# Features (N, D) of scans and the classes (N,) predicted of them -> how far the networks disagree (N,), None of one.
Spread = Callable[[Features, npt.NDArray[np.int64]], Floats | None]
Reasons = tuple[ReferReason, ...]


@dataclass(frozen=True)
class Combined:
    """`said`: of one scan. `used`: positions of the frames whose logits it is the mean of. `strongest`: the position of the frame
    that by itself gives the predicted class the highest probability, the first of equal ones."""

    said: Predictions
    used: tuple[int, ...]
    strongest: int


def of_scan(predictor: Predictor, said: Predictions) -> Combined:
    """`said`: what the predictor says of the frames of one scan, in their order."""
    manifest = predictor.manifest
    temperature, prior = manifest.calibration.temperature, manifest.prior
    return combined(said, temperature=temperature, prior=prior, spread=predictor.spread)


def combined(said: Predictions, *, temperature: float | None, prior: Prior | None, spread: Spread) -> Combined:
    """`said`: of the frames of one scan, in their order. What is said of a single frame stays as it is, to the bit."""
    used = readable(said.unreadable, len(said.logits))
    if len(said.logits) == 1:
        return Combined(said, used, 0)
    at = np.asarray(used)
    logits = mean_of(said.logits[at])[None]
    shares = served_probabilities(logits, temperature, prior)
    features = mean_of(said.features[at])[None]
    best = shares.argmax(axis=1)
    whole = replace(
        said,
        probabilities=shares,
        logits=logits,
        features=features,
        resemblance=said.resemblance and _middle(said.resemblance, at),
        # Heads are linear: what they read from mean features is the mean of what they read from each.
        spread=None if said.spread is None else spread(features, best),
        unreadable=(_reason(said.unreadable),),
    )
    return Combined(whole, used, int(at[said.probabilities[at, best[0]].argmax()]))


def mean_of(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean (K,) of rows (N, K), added in double precision; one row is given as it is."""
    return rows[0] if len(rows) == 1 else np.asarray(rows.mean(axis=0, dtype=np.float64), dtype=np.float32)


def firsts(scans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The position of the first picture of each scan (M,). `scans` as of `of_each_scan`."""
    return np.flatnonzero(np.r_[True, np.diff(scans) > 0]) if len(scans) else np.zeros(0, dtype=np.int64)


def of_each_scan(logits: npt.NDArray[np.float32], scans: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Logits (N, K) of frames, and the number (N,) of the scan that each shows, rising from 0 without gaps -> the mean (M, K) of
    each scan."""
    if not len(logits):
        return logits
    starts = firsts(scans)
    if len(starts) == len(logits):
        return logits
    return np.stack([mean_of(rows) for rows in np.split(logits, starts[1:])])


def readable(unreadable: Sequence[Reasons], count: int) -> tuple[int, ...]:
    """The positions of the frames that take part: of those that can be read, where they are at least half; else of all."""
    if not any(unreadable):
        return tuple(range(count))
    good = tuple(index for index, why in enumerate(unreadable) if not why)
    return good if 2 * len(good) >= count else tuple(range(count))


def _reason(unreadable: Sequence[Reasons]) -> Reasons:
    """Why the scan is unreadable: what most of its unreadable frames are, where these are more than half."""
    bad = [why for why in unreadable if why]
    return Counter(bad).most_common(1)[0][0] if 2 * len(bad) > len(unreadable) else ()


def _middle(known: Resemblance, at: npt.NDArray[np.int64]) -> Resemblance:
    order = at[np.argsort(known.distances[at], kind="stable")]
    middle = int(order[len(order) // 2])
    return Resemblance(known.distances[middle : middle + 1], (known.postures[middle],))
