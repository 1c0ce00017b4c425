"""From a finished run to a bundle: calibration and refer threshold are fitted on its calibration scans only."""

from __future__ import annotations

from collections.abc import Sequence

from models_registry.inference.bundle import ClassRef, Manifest, pack, package_versions

from .calibrating import CalibrationScans
from .config import TrainConfig
from .crossfit import CONFORMAL_TARGET, Targets, calibrate
from .data import TrainData
from .report import FitResult


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
) -> Manifest:
    """The manifest of a run's best weights; without enough calibration scans its calibration says why there is none.

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
        members=result.members,
        code_version=code_version,
        packages=package_versions(),
        prior=confidence.prior,
        conformal=confidence.conformal,
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
) -> bytes:
    """The bundle's bytes; `BundleError` when the parts do not fit together, `ValueError` when the run has no epoch."""
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
    )
    return pack(manifest, result.state_dict)
