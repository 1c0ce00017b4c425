"""What a run learns from and what judges it, as pictures and as the scans that they show."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models_registry.inference.frames import of_each_scan
from training.engine.data import Labels, TrainData
from training.engine.framing import Scans, counted_through, one_each, pictures_of, renumbered
from training.engine.pictures import Pictures, chosen
from training.process.tiles import Part


@dataclass(frozen=True)
class Sides:
    learning: Part
    validation: Part

    @property
    def several(self) -> bool:
        """Whether any scan is shown by several pictures."""
        return self.learning.scans is not None or self.validation.scans is not None

    @property
    def labels(self) -> Labels:
        """Of each scan, those that are learned from first; so too groups and images."""
        return np.concatenate([self.learning.scan_labels, self.validation.scan_labels])

    @property
    def groups(self) -> tuple[str, ...]:
        return self.learning.scan_groups + self.validation.scan_groups

    @property
    def images(self) -> tuple[int, ...]:
        return self.learning.scan_images + self.validation.scan_images

    def data(self, n_classes: int, selection: Labels | None = None) -> TrainData:
        """`selection`: the validation scans that choose the epoch, by default all."""
        train, val = self.learning, self.validation
        some = slice(None) if selection is None else pictures_of(val.scans, selection)
        shown = (train.numbered, renumbered(val.numbered[some])) if self.several else (None, None)
        return TrainData(train.tiles, train.labels, chosen(val.tiles, some), val.labels[some], n_classes, *shown)

    def of_scans(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Logits (members, N, K) of all pictures, as cross-validation gives them -> those of their scans."""
        if not self.several:
            return logits
        scans = counted_through(self.learning.numbered, self.validation.numbered)
        return np.stack([of_each_scan(one.astype(np.float32), scans) for one in logits]).astype(np.float64)

    def sample(self, n_classes: int) -> TrainData:
        """One picture of each scan, for what is counted by scan: their frames are alike, and would count as many."""
        train, val = (_one_each(part.tiles, part.labels, part.scans) for part in (self.learning, self.validation))
        return TrainData(*train, *val, n_classes)


def _one_each(tiles: Pictures, labels: Labels, scans: Scans) -> tuple[Pictures, Labels]:
    if scans is None:
        return tiles, labels
    at = one_each(scans)
    return chosen(tiles, at), labels[at]
