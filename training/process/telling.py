"""The sentence with which a run that succeeded ends."""

from typing import Final

from django.conf import settings

from training.engine.config import TrainConfig
from training.models import TrainingRun
from training.process.packing import Packed

ROOM: Final = TrainingRun._meta.get_field("message").max_length or 0


def outcome(packed: Packed, config: TrainConfig, unlabelled: int | None, start: str) -> str:
    """It fits its column. `unlabelled`: how many scans without a label it has learned from, None where it was not told to. `start`:
    the run's note of its first weights, which its page shows anyway; said where there is room for all of it."""
    fitted = packed.fitted
    where = f" in the first of {fitted.members} networks" if fitted.members > 1 else ""
    told = [f"Best epoch {fitted.best_epoch} of {config.epochs}{where}."]
    if any(report.note for report in fitted.history):
        told.append("Some epochs have a note.")
    if unlabelled is not None:
        told.append(f"Before: {config.self_supervised} epochs without labels, also on {unlabelled} unlabelled scans.")
    if packed.left_out:
        limit = settings.TRAINING_LATENCY_BUDGET_MS
        told.append(f"{packed.left_out} of {config.members} networks left out to answer within {limit} ms.")
    whole = " ".join(told)
    return f"{whole} {start}" if len(whole) + 1 + len(start) <= ROOM else whole
