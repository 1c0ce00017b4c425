"""How many pixels a run may keep in memory."""

import os
from typing import Final

from django.conf import settings

MIB: Final = 2**20
# What the pixels of a run may take in memory where the site does not say: so much, or this part of a small machine's.
MOST_IN_MEMORY: Final = 512 * MIB
PART_OF_MEMORY: Final = 8


def budget() -> int:
    """Bytes of pixels that a run may keep in memory."""
    if settings.TRAINING_CACHE_MB:
        return int(settings.TRAINING_CACHE_MB * MIB)
    return min(MOST_IN_MEMORY, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // PART_OF_MEMORY)
