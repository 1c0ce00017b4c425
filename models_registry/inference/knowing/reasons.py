"""What the distance of a scan from what was learned means, as reasons for a doctor."""

from __future__ import annotations

from models_registry.inference.refer_reasons import ReferReason

from .detector import Resemblance
from .posture import INVERTED


def reasons(resemblance: Resemblance, index: int) -> tuple[ReferReason, ...]:
    """Why the scan at `index` is referred; nothing within the limit."""
    if resemblance.distances[index] <= 1:
        return ()
    posture = resemblance.postures[index]
    if not posture:
        return (ReferReason.UNLIKE_TRAINING,)
    return (ReferReason.INVERTED if posture == INVERTED else ReferReason.TURNED,)
