"""Why a training failed, in a sentence for the person who started it."""

import logging
from typing import Final

from mediscan_site.core import work
from mediscan_site.core.errors import DomainError
from models_registry.evaluations import reporting
from models_registry.versions import serving
from training.engine.config import ConfigError
from training.engine.device import out_of_memory
from training.engine.report import OutOfMemory, TrainingDiverged
from training.engine.weights import WeightsInvalid, WeightsMissing
from training.models import TrainingRun
from training.process.sealed import PixelsUnkept
from training.process.tiles import TileUnusable

log = logging.getLogger(__name__)

# What is raised with a message for a person.
OURS: Final = (
    *(ConfigError, DomainError, OutOfMemory, TrainingDiverged, WeightsInvalid, WeightsMissing),
    *(TileUnusable, PixelsUnkept, serving.BundleDamaged, reporting.NothingToRead),
)


def explain(run: TrainingRun, error: Exception) -> str:
    """What a person is told: the message of what we raise ourselves, else only the kind of failure."""
    if isinstance(error, OURS):
        return str(error)
    log.error("%s failed", run.code, exc_info=error)
    if out_of_memory(error):
        return "There was not enough memory. Choose a smaller image_size or batch_size, or train on fewer scans."
    return work.describe_failure(error)
