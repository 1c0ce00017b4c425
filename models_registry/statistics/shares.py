"""A share of cases with its 95 % interval, clustered by group, and the difference of two that were measured apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models_registry.statistics.availability import MIN_CASES
from models_registry.statistics.boundary import has_width, unanimous
from models_registry.statistics.resampling import Groups, interval, weights


def share(flags: Sequence[bool], groups: Sequence[object], *, n_boot: int = 1000, seed: int = 0) -> dict[str, Any]:
    """`{"value", "low", "high", "n"}` of the share of true flags (N,); groups (N,). As the figures of a report: a bootstrap over
    groups, the exact interval where all agree, and no value but a `reason` for fewer than MIN_CASES cases."""
    n = len(flags)
    if n < MIN_CASES:
        reason = f"only {n} cases, at least {MIN_CASES} are needed"
        return {"value": None, "low": None, "high": None, "n": n, "reason": reason}
    found, clusters = np.asarray(flags, dtype=np.float64), Groups.of(groups)
    value = float(found.mean())
    parts = [(drawn @ found) / drawn.sum(axis=1) for drawn in weights(clusters, n_boot, seed)]
    ends = interval(np.concatenate(parts)) if parts else None
    if ends is None:
        reason = f"no interval: only {clusters.count} groups"
        return {"value": value, "low": None, "high": None, "n": n, "reason": reason}
    low, high = ends if has_width(ends) else unanimous(value, clusters.count)
    return {"value": value, "low": low, "high": high, "n": n}


def difference(new: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """`new - old` of two shares of different cases, from their intervals: square-and-add (Newcombe, Statistics in Medicine 1998,
    method 10; Zou & Donner, Statistics in Medicine 2008). `lower`, `higher`: whether the interval lies on one side of 0."""
    known = [entry for entry in (new, old) if entry and entry.get("value") is not None and entry.get("low") is not None]
    if len(known) < 2:
        return {"value": None, "low": None, "high": None, "reason": "one of the two has no interval"}
    (a, a_low, a_high), (b, b_low, b_high) = ((entry["value"], entry["low"], entry["high"]) for entry in known)
    low = a - b - math.hypot(a - a_low, b_high - b)
    high = a - b + math.hypot(a_high - a, b - b_low)
    return {"value": a - b, "low": low, "high": high, "lower": high < 0, "higher": low > 0}
