"""The one reading of the test split that belongs to a training run."""

from typing import TYPE_CHECKING, Any

from models_registry import reporting
from training import tiles
from training.models import TrainingRun
from training.recording import Recorder

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor


def measure(run: TrainingRun, predictor: "Predictor", recorder: Recorder) -> dict[str, Any]:
    """The report of the test split, read for the first and only time after the best epoch was chosen.

    Raises reporting.NothingToRead, TileUnusable, and Stopped when the run should end."""

    def on_read(done: int, total: int) -> None:
        recorder.counter(total, "reading test scans")(done)

    return reporting.build(run.snapshot, predictor, run.snapshot.classes, read=tiles.read, on_read=on_read)
