"""One class against the rest, cut at a probability: what each cut-off would give, and bands around the curves over all of them.

For looking at, not for choosing: a cut-off that is chosen on the scans it is measured on looks better than it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_registry.statistics.availability import MIN_CASES
from models_registry.statistics.boundary import has_width, unanimous
from models_registry.statistics.calibration import Floats
from models_registry.statistics.resampling import Groups, interval, weights
from models_registry.statistics.weighted import Mask, cumulative

STEPS: Final = 100  # cut-offs at 0.00, 0.01, …, 1.00
GRID: Final = np.linspace(0, 1, 51)
# By name: which cases carry it, (of the positive and of the negative ones, above and below the cut-off).
FIGURES: Final = ("sensitivity", "specificity", "ppv", "npv")
DECIMALS: Final = 4


@dataclass(frozen=True)
class Cases:
    """Scores (N,), whether each case has the class (N,), and the group (patient) of each."""

    scores: Floats
    positive: Mask
    groups: Groups

    def draws(self, n_boot: int, seed: int) -> Iterator[Floats]:
        return weights(self.groups, n_boot, seed)

    def patients(self, cases: Mask) -> int:
        return len(set(self.groups.index[cases].tolist()))


def table(cases: Cases, *, n_boot: int = 1000, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each of STEPS + 1 cut-offs: `cutoff`, the counts `tp`, `fn`, `fp`, `tn` (a case counts as positive from the
    cut-off on), and each of FIGURES as `{"value", "low", "high"}`, None where fewer than MIN_CASES cases carry it."""
    cuts = np.round(np.linspace(0, 1, STEPS + 1), 2)
    above = cases.scores[:, None] >= cuts[None, :] - 1e-9
    hits, alarms = above & cases.positive[:, None], above & ~cases.positive[:, None]
    point = _counts(np.ones((1, len(cases.scores))), hits, alarms, cases.positive)
    drawn = [_shares(_counts(w, hits, alarms, cases.positive)) for w in cases.draws(n_boot, seed)]
    samples = {name: np.concatenate([part[name] for part in drawn]) for name in FIGURES} if drawn else {}
    return [_row(cases, float(cut), k, point, samples, above[:, k]) for k, cut in enumerate(cuts)]


def bands(cases: Cases, *, n_boot: int = 1000, seed: int = 0) -> dict[str, list[list[float]]]:
    """`{"roc", "pr"}`: `[x, low, high]` along GRID, a 95 % band at each x by itself. Empty where there are too few groups."""
    roc, pr = [], []
    for w in cases.draws(n_boot, seed):
        hits, misses = cumulative(cases.scores, cases.positive, w)
        for tp, fp in zip(hits, misses, strict=True):
            if tp[-1] > 0 and fp[-1] > 0:
                recall = np.append(0, tp / tp[-1])
                precision = np.divide(tp, tp + fp, out=np.ones_like(tp), where=tp + fp > 0)
                roc.append(np.interp(GRID, np.append(0, fp / fp[-1]), recall))
                pr.append(np.interp(GRID, recall, np.append(precision[0], precision)))
    return {"roc": _band(roc), "pr": _band(pr)}


def _counts(w: Floats, hits: Mask, alarms: Mask, positive: Mask) -> dict[str, Floats]:
    """Weights (B, T) of the four cells at each cut-off."""
    tp, fp = w @ hits.astype(np.float64), w @ alarms.astype(np.float64)
    have, rest = (w @ positive)[:, None], (w @ ~positive)[:, None]
    return {"tp": tp, "fn": have - tp, "fp": fp, "tn": rest - fp}


def _shares(c: dict[str, Floats]) -> dict[str, Floats]:
    parts = {
        "sensitivity": (c["tp"], c["fn"]),
        "specificity": (c["tn"], c["fp"]),
        "ppv": (c["tp"], c["fp"]),
        "npv": (c["tn"], c["fn"]),
    }
    return {
        name: np.divide(top, top + rest, out=np.full(top.shape, np.nan), where=top + rest > 0)
        for name, (top, rest) in parts.items()
    }


def _row(
    cases: Cases, cut: float, k: int, point: dict[str, Floats], samples: dict[str, Floats], above: Mask
) -> dict[str, Any]:
    carried = {"sensitivity": cases.positive, "specificity": ~cases.positive, "ppv": above, "npv": ~above}
    values = _shares({name: counts[:, k : k + 1] for name, counts in point.items()})
    return {
        "cutoff": cut,
        **{name: round(counts[0, k]) for name, counts in point.items()},
        **{
            name: _entry(float(values[name][0, 0]), samples[name][:, k] if samples else None, cases, carried[name])
            for name in FIGURES
        },
    }


def _entry(value: float, drawn: Floats | None, cases: Cases, carried: Mask) -> dict[str, float] | None:
    if int(carried.sum()) < MIN_CASES or not np.isfinite(value):
        return None
    ends = interval(drawn) if drawn is not None else None
    if ends is None:
        return {"value": round(value, DECIMALS)}
    low, high = ends if has_width(ends) else unanimous(value, cases.patients(carried))
    return {"value": round(value, DECIMALS), "low": round(low, DECIMALS), "high": round(high, DECIMALS)}


def _band(curves: list[Floats]) -> list[list[float]]:
    if not curves:
        return []
    low, high = np.quantile(np.stack(curves), [0.025, 0.975], axis=0)
    found: list[list[float]] = np.column_stack((GRID, low, high)).round(DECIMALS).tolist()
    return found
