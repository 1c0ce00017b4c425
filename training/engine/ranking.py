"""Which epoch is the best so far, and when further ones are no use: by validation AUROC with its uncertainty.

Never by an accuracy: a threshold tuned on a validation split has cost up to eight points of accuracy on test scans.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models_registry.statistics.paired import NORMAL, delong

from .report import EpochReport

# DeLong's error is nought where the classes part perfectly, which on a few dozen scans proves little, and there is none for a
# class of one scan: the noise is at least this, and this share of what one scan of the smallest class can move the AUROC by.
LEAST_NOISE, SHARE_OF_ONE = 0.005, 0.5
UNKNOWN_AUROC = 0.5
# Under a one-cycle schedule the rate is below this share of its peak in about the last seventh of the steps.
ANNEALED = 0.1
REACH = NORMAL.inv_cdf(0.975)


def auroc_error(y: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> float | None:
    """Standard error of the AUROC of probabilities (N, K), for K > 2 of the mean over one-against-the-rest.

    DeLong, DeLong & Clarke-Pearson, Biometrics 1988. For K > 2 the mean of the classes' errors, which is never too small:
    a standard deviation of a mean is at most the mean of the standard deviations. None with fewer than two scans in or
    outside of a class.
    """
    kinds = range(shares.shape[1]) if shares.shape[1] > 2 else [1]
    members = [int((y == k).sum()) for k in kinds]
    if min(members) < 2 or len(y) - max(members) < 2:
        return None
    # Against a score that knows nothing, whose area has no variance, the error of the difference is the error itself.
    blind = np.zeros(len(y))
    return float(np.mean([delong(y == k, shares[:, k], blind).error for k in kinds]))


def one_scan(y: npt.NDArray[np.int64], n_classes: int) -> float:
    """What a single scan of the smallest class can move the AUROC by: 1 over its scans, and over the classes of a mean."""
    members = np.bincount(y, minlength=n_classes)
    return 1 / (int(members[members > 0].min()) * (n_classes if n_classes > 2 else 1))


def interval(auroc: float | None, error: float | None) -> tuple[float | None, float | None]:
    """The 95 % interval, cut to 0..1; (None, None) where there is none, also for classes that part perfectly."""
    if auroc is None or not error:
        return None, None
    return max(0.0, auroc - REACH * error), min(1.0, auroc + REACH * error)


def leads(report: EpochReport, best: EpochReport | None, history: Sequence[EpochReport]) -> bool:
    """Whether `report` takes over from `best`; `history` are the epochs before it.

    Of the epochs whose AUROC is within one standard error of the highest (Breiman et al., "Classification and Regression
    Trees", 1984, section 3.4.3) those go first whose learning rate has come down, and of these that with the lowest
    validation loss: between them the AUROC cannot tell, and an early epoch may rank scans well while its weights still
    jump about or its probabilities are all on one side. On a tie the later one.
    """
    if best is None:
        return True
    so_far = [*history, report]
    highest = max(so_far, key=_auroc)
    enough = _auroc(highest) - _noise(highest)
    if _auroc(report) < enough:
        return False
    if _auroc(best) < enough:
        return True
    now, before = annealed(report, so_far), annealed(best, so_far)
    return report.val_loss <= best.val_loss if now == before else now


def annealed(report: EpochReport, history: Sequence[EpochReport]) -> bool:
    """Whether the learning rate of its phase had come down to `ANNEALED` of the peak when this epoch ended; `history`
    holds it too."""
    peak = max(other.learning_rate for other in history if other.phase == report.phase and other.epoch <= report.epoch)
    return report.learning_rate <= ANNEALED * peak


def epochs_without_gain(history: Sequence[EpochReport], first: int) -> int:
    """How many epochs have passed since the AUROC last rose by more than its standard error; `first`: the first epoch
    (from 1) that counts. Small gains that add up are a gain: each is compared with the value at the last one."""
    reference, since = 0.0, 0
    for report in history:
        if _auroc(report) > reference + _noise(report) or report.epoch <= first:
            reference, since = max(reference, _auroc(report)), 0
        else:
            since += 1
    return since


def _auroc(report: EpochReport) -> float:
    return UNKNOWN_AUROC if report.val_auroc is None else report.val_auroc


def _noise(report: EpochReport) -> float:
    return max(LEAST_NOISE, report.val_auroc_error or 0.0, SHARE_OF_ONE * report.val_auroc_one)
