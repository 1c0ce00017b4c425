"""Python's search for circular garbage, which a busy process does some dozen times a second and which walks all that it holds."""

import gc
from functools import cache
from typing import Final

# So many new objects (700 by itself) before the youngest are looked at: a request makes some thousands, and leaves few circles.
YOUNGEST: Final = 50_000


@cache
def set_aside_once() -> None:
    """`set_aside` for whoever comes by it again and again in one process."""
    set_aside()


def set_aside() -> None:
    """Once a process has loaded what it needs: that stays, and is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, *gc.get_threshold()[1:])
