"""The scans of a run, read when they are asked for first."""

from dataclasses import dataclass
from functools import cached_property

from images.models import Split
from training.engine import selfsupervised
from training.engine.config import TrainConfig
from training.engine.group import ALONE, Group
from training.engine.pictures import Pictures
from training.models import TrainingRun
from training.process import tiles, unlabelled
from training.process.recorder import Recorder
from training.process.sides import Sides


@dataclass
class Reading:
    run: TrainingRun
    config: TrainConfig
    recorder: Recorder
    processes: Group = ALONE

    @cached_property
    def sides(self) -> Sides:
        in_memory = tiles.fits_in_memory(self.run.snapshot, size=self.config.image_size, look=self.config.look)
        return Sides(self._part(Split.TRAIN, in_memory=in_memory), self._part(Split.VAL, in_memory=in_memory))

    def _part(self, split: Split, *, in_memory: bool) -> tiles.Part:
        snapshot = self.run.snapshot
        total = tiles.pictures_in(snapshot.members.filter(split=split))
        return tiles.load(
            snapshot,
            split,
            class_ids=[entry["id"] for entry in snapshot.classes],
            done=self.recorder.counter(total, f"reading {split} scans"),
            size=self.config.image_size,
            look=self.config.look,
            in_memory=in_memory,
            processes=self.processes,
        )

    @cached_property
    def unlabelled(self) -> Pictures | None:
        """What the run sees before it learns the classes, where it was told to."""
        if not self.config.self_supervised:
            return None

        def done(number: int, total: int) -> None:
            self.recorder.counter(total, "reading scans without labels")(number)

        pixels = unlabelled.load(self.run, self.config, done, self.processes)
        self.recorder.unlabelled(len(pixels), selfsupervised.digest(pixels))
        return pixels
