"""The one reading of the test split that belongs to a training run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from images.models import Image, Split
from labeling.models import SnapshotMember
from models_registry.evaluations import reporting
from models_registry.inference.names import WINDOWS
from models_registry.inference.predictor import Predictions, Predictor
from models_registry.versions import fairness, reading
from models_registry.versions.answers import Answer
from training import seeing
from training.engine.config import TrainConfig
from training.models import TrainingRun
from training.process import tiles
from training.process.recorder import Recorder
from training.scans import Scans

PART: Final = 500


def require_fair(run: TrainingRun) -> None:
    """Conflict `test_leak` when the run trains on scans of its own test split, or continues from a version that has seen some.

    Asked again before the test split is read: patients may have turned out to be one while the run was at work."""
    fairness.require_separated(run.snapshot)
    if run.base_model is not None:
        fairness.require_fair(run.base_model, run.snapshot)


def require_readable(run: TrainingRun, config: TrainConfig, recorder: Recorder) -> None:
    """Asked before anything is learned: Invalid or TileUnusable where windows are seen and a scan of some side has none of the
    values that they are made of. Of a scan of the test split it is asked what kind of view it has, and no pixel is looked at."""
    if config.sees != WINDOWS:
        return
    seeing.require_possible(seeing.Asked(config.sees, config.windows), Scans.of_snapshot(run.snapshot))
    test = SnapshotMember.objects.filter(snapshot=run.snapshot, split=Split.TEST, image__erased_at__isnull=True)
    keys = list(test.order_by("pk").values_list("pk", flat=True))
    done = recorder.counter(len(keys), "looking whether the test scans have their own values")
    for number, member in enumerate(_members(keys), start=1):
        with tiles.named(member.image):
            for frame in member.frames or (0,):
                reading.require_values(member.image, frame)
        done(number)


def _members(keys: Sequence[int]) -> Iterator[SnapshotMember]:
    """By parts that are read to their end: a view that is missing is stored in between, and SQLite writes nothing behind a read
    that is still open."""
    for start in range(0, len(keys), PART):
        part = SnapshotMember.objects.filter(pk__in=keys[start : start + PART])
        yield from part.select_related("image__blob").order_by("pk")


@dataclass
class Heard:
    """What the version said of each test scan: in full, as the watching has a use for it, and in short, to be kept."""

    said: list[Predictions] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def measure(run: TrainingRun, predictor: Predictor, recorder: Recorder, heard: Heard | None = None) -> dict[str, Any]:
    """The report of the test split, read for the first and only time after the best epoch was chosen. What the version says of each
    scan goes to `heard`.

    Raises reporting.NothingToRead, TileUnusable, Conflict `test_leak`, and work.Stopped when the run should end."""
    require_fair(run)

    def on_read(done: int, total: int) -> None:
        recorder.counter(total, "reading test scans")(done)

    heard = Heard() if heard is None else heard
    classes = run.snapshot.classes
    return reporting.build(
        run.snapshot,
        predictor,
        classes,
        read=_read,
        on_read=on_read,
        on_said=heard.said.append,
        answers=heard.answers,
    )


def _read(predictor: Predictor, image: Image, frame: int) -> reading.Input:
    with tiles.named(image):
        return reading.one(predictor, image, frame)
