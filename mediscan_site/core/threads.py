"""How the threads of numeric libraries (OpenMP) wait for their next work."""

import os
from typing import Final

# Threads that spin for long while they wait take turns with every other busy program; those that sleep at once take a third
# longer on an idle machine. So they spin for some microseconds. Read once, when the library is loaded.
BRIEFLY: Final = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}


def wait_briefly() -> None:
    """In this process, unless its environment says otherwise."""
    for name, value in BRIEFLY.items():
        os.environ.setdefault(name, value)
