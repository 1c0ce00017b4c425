"""Why a figure of an evaluation is not available: fewer cases carry it than are needed to say anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models_registry.statistics.calibration import Floats, Ints

MIN_CASES = 5


def reasons(
    y: Ints, p: Floats, refer_threshold: float | None, classes: Sequence[str], min_cases: int = MIN_CASES
) -> dict[str, str]:
    """By figure, by `class index/figure`, or `*` for all. Labels (N,), probabilities (N, K)."""
    k = len(classes)
    if len(y) < min_cases:
        return {"*": f"only {len(y)} cases, at least {min_cases} are needed"}
    missing: dict[str, str] = {}
    true, guessed = np.bincount(y, minlength=k), np.bincount(p.argmax(axis=1), minlength=k)
    for c in range(k):
        _class_reasons(missing, c, classes[c], int(true[c]), len(y) - int(true[c]), min_cases)
        _guess_reasons(missing, c, classes[c], int(guessed[c]), len(y) - int(guessed[c]), min_cases)
    _overall_reasons(missing, k)
    few = int(true.argmin())
    if true[few] < min_cases:
        missing["balanced_accuracy"] = (
            f"class {classes[few]} has {int(true[few])} cases, at least {min_cases} are needed"
        )
    answered = int((p.max(axis=1) >= (refer_threshold or 0)).sum())
    if answered < min_cases:
        missing["answered_accuracy"] = f"only {answered} answered cases, at least {min_cases} are needed"
    return missing


def _overall_reasons(found: dict[str, str], k: int) -> None:
    """An overall figure lacks what the positive class (of two) or any class (of more) lacks."""
    for c in [1] if k == 2 else range(k):
        for key in [key for key in found if key.startswith(f"{c}/")]:
            found.setdefault(key.split("/")[1], found[key])
    for alias, name in (("precision", "ppv"), ("recall", "sensitivity")):
        if name in found:
            found[alias] = found[name]


def _class_reasons(found: dict[str, str], c: int, label: str, own: int, rest: int, min_cases: int) -> None:
    if own < min_cases:
        text = f"class {label} has {own} cases, at least {min_cases} are needed"
        found.update({f"{c}/{name}": text for name in ("sensitivity", "f1", "auroc", "auprc")})
    if rest < min_cases:
        text = f"only {rest} cases are not {label}, at least {min_cases} are needed"
        found.update({f"{c}/{name}": text for name in ("specificity", "auroc", "auprc")})


def _guess_reasons(found: dict[str, str], c: int, label: str, own: int, rest: int, min_cases: int) -> None:
    if own < min_cases:
        found[f"{c}/ppv"] = f"{own} cases were predicted as {label}, at least {min_cases} are needed"
    if rest < min_cases:
        found[f"{c}/npv"] = (
            f"{rest} cases were predicted as another class than {label}, at least {min_cases} are needed"
        )
