"""The folder in which the web processes of one machine keep their counts together.

prometheus_client decides as it is first imported whether counts are shared: so the parent of the web processes calls `begin`
before any of them exists, and this module imports nothing of it. A new start begins with an empty folder, which Prometheus takes
for the restart that it is."""

import os
import shutil
import socket
from pathlib import Path
from typing import Final

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def place(folder: Path, bind: str) -> Path:
    """Of the one site that listens here: several hosts may share METRICS_DIR, and their processes have the same numbers."""
    return folder / f"{socket.gethostname()}-{bind.rpartition(':')[2]}"


def begin(folder: Path) -> None:
    """Make the folder anew, for this process's children."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[FOLDER] = str(folder)


def end(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
