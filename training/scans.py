"""The scans of a data set as a run is planned by them: frozen, or as it would be frozen now. Facts of their rows; opens no file."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Self

from images.models import Image, Metadata, Split
from labeling.datasets.candidates import Frozen
from labeling.models import Snapshot, SnapshotMember
from training.windows import CT

BYTE: Final = 8
_CHUNK: Final = 500
_COLUMNS: Final = ("pk", "sha256", "width", "height", "bits", "image_format", "modality")


@dataclass(frozen=True, slots=True)
class Scan:
    """A training scan. `label`: the key of its class. `group`: what stays together, as the patient. `side`: the longer one, in
    pixels. `is_ct`: its values are Hounsfield units."""

    image: int
    sha256: str
    label: int
    group: str
    side: int
    is_ct: bool

    @classmethod
    def of(cls, columns: Iterable[Any], label: int, group: str) -> Self:
        """`columns`: what `_COLUMNS` names."""
        pk, digest, width, height, bits, image_format, modality = columns
        ct = bits > BYTE and image_format == "DICOM" and str(modality).strip().upper() == CT
        return cls(pk, digest or "", label, group, max(width, height), ct)


@dataclass(frozen=True)
class Scans:
    """The training scans in order, and how many others are validated with and tested on. Of all three sides, `narrow`: how many
    have values of 8 bits, and `pictures`: how many pictures are read, of scans of several frames each that is looked at."""

    training: tuple[Scan, ...]
    validation: int
    test: int
    narrow: int
    pictures: int

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot) -> Self:
        """Those that still exist."""
        present = SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=True)
        rows = present.filter(split=Split.TRAIN).order_by("pk")
        named = (f"image__{name}" for name in _COLUMNS)
        training = [Scan.of(row[2:], *row[:2]) for row in rows.values_list("label_class", "group", *named)]
        validation, test = (present.filter(split=split).count() for split in (Split.VAL, Split.TEST))
        pictures = sum(max(1, len(frames)) for frames in present.values_list("frames", flat=True).iterator())
        return cls(tuple(training), validation, test, present.filter(image__bits__lte=BYTE).count(), pictures)

    @classmethod
    def of_frozen(cls, frozen: Frozen) -> Self:
        sides, groups = frozen.assignment.sides, frozen.groups()
        training = [
            Scan.of(_columns(one.image), one.item.class_id, groups[one.item.id])
            for one in frozen.members
            if sides[one.item.id] == Split.TRAIN
        ]
        others = [sides[one.item.id] for one in frozen.members]
        narrow = sum(one.image.bits <= BYTE for one in frozen.members)
        pictures = sum(max(1, len(one.frames)) for one in frozen.members)
        return cls(tuple(training), others.count(Split.VAL), others.count(Split.TEST), narrow, pictures)

    @property
    def count(self) -> int:
        """Of all three sides."""
        return len(self.training) + self.validation + self.test

    @property
    def usual_side(self) -> int | None:
        """The median of the longer sides: what their pictures have to show at most."""
        return round(median(scan.side for scan in self.training)) if self.training else None

    def sample(self, size: int) -> tuple[Scan, ...]:
        """At most so many of the training scans, of each class as many where it has them: always the same ones."""
        by_class: dict[int, list[Scan]] = {}
        for scan in self.training:
            by_class.setdefault(scan.label, []).append(scan)
        chosen: list[Scan] = []
        waiting = sorted(by_class.values(), key=len)
        for number, own in enumerate(waiting):
            chosen += _spread(own, (size - len(chosen)) // (len(waiting) - number))
        return tuple(sorted(chosen, key=lambda scan: scan.image))

    def body_parts(self, size: int) -> list[str]:
        """What is said of the body part of as many, where it is said."""
        wanted = [scan.image for scan in self.sample(size)]
        found: list[str] = []
        for start in range(0, len(wanted), _CHUNK):
            rows = Metadata.objects.filter(image__in=wanted[start : start + _CHUNK]).exclude(body_part="")
            found += rows.values_list("body_part", flat=True)
        return found


def _columns(image: Image) -> list[Any]:
    return [getattr(image, name) for name in _COLUMNS]


def _spread(scans: list[Scan], size: int) -> list[Scan]:
    """Evenly, from the first on."""
    if len(scans) <= size:
        return scans
    return [scans[number * len(scans) // size] for number in range(size)]
