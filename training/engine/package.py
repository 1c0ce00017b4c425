"""From a finished run to a bundle: calibration and refer threshold are fitted on its calibration scans only."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from models_registry.inference.bundle import ClassRef, Manifest, pack, package_versions
from models_registry.inference.knowing.facts import Knowing

from .calibrating import CalibrationScans
from .config import TrainConfig
from .crossfit import CONFORMAL_TARGET, Targets, calibrate
from .data import TrainData
from .report import FitResult

Knowledge = tuple[Knowing, dict[str, Tensor]]


def make_manifest(
    result: FitResult,
    data: TrainData,
    config: TrainConfig,
    scans: CalibrationScans,
    *,
    classes: Sequence[ClassRef],
    dataset_hash: str,
    laterality_matters: bool,
    code_version: str,
    expected_prevalence: tuple[float, ...] | None = None,
    conformal_target: float = CONFORMAL_TARGET,
    knowing: Knowing | None = None,
) -> Manifest:
    """The manifest of a run's best weights; without enough calibration scans its calibration says why there is none, and so does
    `knowing`, which a run without it does not mention.

    `expected_prevalence`: the share of each class, in their order, among the scans to be graded.
    """
    names = tuple(entry.name for entry in classes)
    targets = Targets(config.coverage_target, conformal_target, expected_prevalence, names)
    confidence = calibrate(scans, data.prevalence, targets, key=dataset_hash)
    return Manifest(
        architecture=config.architecture,
        classes=tuple(classes),
        preprocess=result.preprocess,
        calibration=confidence.calibration,
        referral=confidence.referral,
        prevalence=data.prevalence,
        dataset_hash=dataset_hash,
        laterality_matters=laterality_matters,
        flip_tta=config.flip_tta,
        turned_tta=config.turned_tta,
        members=result.members,
        code_version=code_version,
        packages=package_versions(),
        prior=confidence.prior,
        conformal=confidence.conformal,
        knowing=knowing,
    )


def make_bundle(
    result: FitResult,
    data: TrainData,
    config: TrainConfig,
    scans: CalibrationScans,
    *,
    classes: Sequence[ClassRef],
    dataset_hash: str,
    laterality_matters: bool,
    code_version: str = "",
    expected_prevalence: tuple[float, ...] | None = None,
    conformal_target: float = CONFORMAL_TARGET,
    knowledge: Knowledge | None = None,
) -> bytes:
    """The bundle's bytes; `BundleError` when the parts do not fit together, `ValueError` when the run has no epoch.

    `knowledge`: what the version knows of its limits (`knowing.fit_knowing`); a bundle without it mentions none."""
    if not result.best_epoch:
        raise ValueError("the run was stopped before its first epoch ended: there is nothing to keep")
    manifest = make_manifest(
        result,
        data,
        config,
        scans,
        classes=classes,
        dataset_hash=dataset_hash,
        laterality_matters=laterality_matters,
        code_version=code_version,
        expected_prevalence=expected_prevalence,
        conformal_target=conformal_target,
        knowing=knowledge[0] if knowledge else None,
    )
    return pack(manifest, {**result.state_dict, **(knowledge[1] if knowledge else {})})
