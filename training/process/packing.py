"""From the chosen weights of a run to its bundle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from models_registry.inference.bundle import ClassRef, unpack
from models_registry.inference.latency import latency_ms
from models_registry.inference.predictor import Predictor
from training import planning
from training.engine.calibrating import CalibrationScans
from training.engine.config import TrainConfig
from training.engine.data import TrainData
from training.engine.ensemble import merged
from training.engine.package import Knowledge, make_bundle
from training.engine.report import FitResult
from training.models import TrainingRun
from training.process import provenance


@dataclass(frozen=True)
class Packed:
    """A finished bundle, the networks in it as one result, and the time of one answer in milliseconds. `left_out`: networks
    that were trained and do not serve."""

    fitted: FitResult
    bundle: bytes
    predictor: Predictor
    latency_ms: float
    left_out: int


def pack_affordable(
    run: TrainingRun,
    config: TrainConfig,
    data: TrainData,
    members: Sequence[FitResult],
    scans_of: Callable[[FitResult], CalibrationScans],
    known_of: Callable[[FitResult], Knowledge],
) -> Packed:
    """The bundle of as many networks as answer within TRAINING_LATENCY_BUDGET_MS on this machine, at least one: the last one
    trained is left out first. Each attempt is calibrated again, on `scans_of` what it holds, and learns its own limits,
    `known_of` what it holds."""
    for count in range(len(members), 0, -1):
        fitted = merged(members[:count])
        bundle, predictor = pack(run, config, data, fitted, scans_of(fitted), known_of(fitted))
        took = latency_ms(predictor)
        if took <= settings.TRAINING_LATENCY_BUDGET_MS:
            break
    return Packed(fitted, bundle, predictor, round(took, 1), len(members) - count)


def pack(
    run: TrainingRun,
    config: TrainConfig,
    data: TrainData,
    fitted: FitResult,
    scans: CalibrationScans,
    known: Knowledge | None = None,
) -> tuple[bytes, Predictor]:
    """The bundle, calibrated on `scans`, and the predictor that it will be when it serves."""
    classes, stated = run.snapshot.classes, planning.stated(run.config)
    bundle = make_bundle(
        fitted,
        data,
        config,
        scans,
        classes=[ClassRef(entry["id"], entry["name"]) for entry in classes],
        dataset_hash=run.snapshot.content_hash,
        laterality_matters=run.project.laterality_matters,
        code_version=provenance.code_version(),
        expected_prevalence=stated.shares(classes),
        conformal_target=stated.conformal_target,
        knowledge=known,
    )
    return bundle, Predictor(unpack(bundle))
