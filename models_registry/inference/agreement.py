"""Whether a quicker way to run a version's networks may take the place of the exact one: the gate of int8 graphs.

Compared are validation scans and mild views of them, as there are few of the former: the class and whether it is answered, how
well the classes are told apart, and the distance by which scans are referred and the version is watched. A distance that is
always a little larger looks to the watching like another hospital, so it may not move either.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models_registry.statistics.metrics import macro_auroc

from .knowing.views import kinds_of, views
from .predictor import Predictions, Predictor
from .preprocess import Pixels, Preprocess, Tiles, blank

MOST_AUROC_DROP: Final = 0.002
LEAST_SAME: Final = 0.99
# Of the mean logarithm of the distances, in their standard deviations.
MOST_SHIFT: Final = 0.1
LEAST_QUICKER: Final = 1.1
# Fewer validation scans show too little; about so many pictures are compared.
LEAST_SCANS, COMPARED = 20, 300
# Of the pictures together: of large ones fewer are compared.
MOST_BYTES: Final = 256 * 2**20
ROUNDS: Final = 9
SEED: Final = 47


@dataclass(frozen=True)
class Agreement:
    """`scans` and `pictures` compared; the share of `same` classes and decisions; by how much AUROC fell (None: not measurable) and
    the distance moved; how many times as `quick` one scan is on this machine; the largest difference of a logit."""

    scans: int
    pictures: int
    same: float
    auroc_drop: float | None
    shift: float
    quick: float
    logits: float

    @property
    def why_not(self) -> str:
        """Why the quicker way may not serve; empty if it may."""
        if self.same < LEAST_SAME:
            return f"it gives {self.same:.1%} of {self.pictures} pictures the same class and decision ({LEAST_SAME:.0%} are needed)"
        if self.auroc_drop is None or self.auroc_drop > MOST_AUROC_DROP:
            fell = "cannot be measured" if self.auroc_drop is None else f"falls by {self.auroc_drop:.4f}"
            return f"its AUROC on validation {fell} ({MOST_AUROC_DROP} may be lost)"
        if abs(self.shift) > MOST_SHIFT:
            return f"its distances move by {self.shift:.2f} standard deviations ({MOST_SHIFT} is the most)"
        if self.quick < LEAST_QUICKER:
            return f"it is {self.quick:.2f} times as quick on this machine ({LEAST_QUICKER} is the least that pays)"
        return ""

    @property
    def sentence(self) -> str:
        return (
            f"of {self.pictures} pictures ({self.scans} validation scans and mild views of them) {self.same:.1%} get the same "
            f"class and decision, AUROC falls by {self.auroc_drop or 0.0:.4f}, logits differ by up to {self.logits:.2f}"
        )


def most_scans(preprocess: Preprocess) -> int:
    """So many validation scans may be read, that views of them can be compared too."""
    return max(LEAST_SCANS, MOST_BYTES // (2 * max(1, blank(preprocess, 1).nbytes)))


def compare(
    exact: Predictor, quick: Predictor, tiles: Tiles, labels: npt.NDArray[np.int64], pixels: Pixels | None = None
) -> Agreement:
    """Of one version, on validation scans: `tiles` (N, 256, 256), `labels` (N,), and `pixels` as `Predictor.predict` takes them."""
    seen = tiles if pixels is None else pixels
    shown = _shown(exact, seen)
    # The rules that look at tiles say the same of both.
    given = (shown, None) if pixels is None else (np.tile(tiles, (len(shown) // len(tiles), 1, 1)), shown)
    before, after = exact.predict(*given), quick.predict(*given)
    same = np.mean([a == b for a, b in zip(_said(exact, before), _said(quick, after), strict=True)])
    n = len(tiles)
    areas = [macro_auroc(labels, said.probabilities[:n]) for said in (before, after)]
    return Agreement(
        scans=n,
        pictures=len(shown),
        same=float(same),
        auroc_drop=None if areas[0] is None or areas[1] is None else areas[0] - areas[1],
        shift=_shift(before, after),
        quick=_quicker(exact, quick, seen[:1]),
        logits=float(np.abs(before.logits - after.logits).max()),
    )


def _shown(exact: Predictor, seen: Pixels) -> Pixels:
    """What is seen of the scans, then views of all of them, round after round."""
    manifest = exact.manifest
    look = manifest.preprocess.look
    # That a scan may lie any way, is told by the answers' poses alone.
    kinds = kinds_of(
        mirrored=not manifest.laterality_matters,
        coloured=look.is_colour,
        any_angle=manifest.turned_tta,
        equalised=look.equalises,
    )
    most = min(COMPARED, MOST_BYTES // seen[0].nbytes)
    rounds = int(np.clip(most // max(1, len(seen)) - 1, 0, len(kinds)))
    return np.concatenate([seen, views(seen, rounds, SEED, kinds)])


def _said(predictor: Predictor, said: Predictions) -> list[tuple[int, str]]:
    return [(int(label), predictor.decide(said, place).decision) for place, label in enumerate(said.classes)]


def _shift(before: Predictions, after: Predictions) -> float:
    if before.resemblance is None or after.resemblance is None:
        return 0.0
    one, other = (np.log(np.maximum(said.resemblance.distances, 1e-12)) for said in (before, after) if said.resemblance)
    return float((other - one).mean() / max(float(one.std()), 1e-6))


def _quicker(exact: Predictor, quick: Predictor, seen: Pixels) -> float:
    """Processor time of one scan, the exact way's share of the quick one's: the median of interleaved rounds."""
    small = exact.manifest.preprocess.sized(seen)
    ways: list[Callable[[], Any]] = [lambda: exact.runtime.run(small), lambda: quick.runtime.run(small)]
    spent: list[list[float]] = [[], []]
    for number in range(ROUNDS + 2):
        for place, way in enumerate(ways):
            began = time.process_time()
            way()
            if number >= 2:  # the first ones load what is loaded late
                spent[place].append(time.process_time() - began)
    return statistics.median(spent[0]) / max(statistics.median(spent[1]), 1e-9)
