"""What a run is given of its scans: grey, colour or windows, and at which shape. Planned from the training scans, before anything
is written.

It is decided where the run is asked for, and not by its worker: so the page can say it before the start, what the run is told
stands in its row once and for all, and a run that is resumed or made again is told the same. It costs about a second where scans
have colour, and a tenth of one where they have none. PyTorch is not needed.
"""

import io
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from images.learning import LearningView, view
from images.models import Image, Rendition, RenditionKind
from mediscan_site.core.errors import DomainError, Invalid, NotFound, Unavailable
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.inference.looks import read_windows, write_windows
from models_registry.inference.names import COLOUR, EQUALISED, GREY, LETTERBOX, LEVELS_KEPT, SQUASH, WINDOWS
from training import windows as presets
from training.engine import telling
from training.scans import Scan, Scans

SEES: Final = {GREY: "grey levels", COLOUR: "colour"}
SHAPES: Final = {SQUASH: "squashed", LETTERBOX: "at the scan's own shape"}
# So many training scans are looked at; where the first ones have no colour, the others have none.
SAMPLE: Final = 240
FIRST: Final = 60
# Of so many CTs the window that the files ask for.
OPENED: Final = 5
# This share of the training scans must be CTs for the windows of CTs.
MOSTLY: Final = 0.9
# Where less of a class has colour, or the classes differ by more, colour would tell how files were made.
EVERY_CLASS: Final = 0.5
UNEVEN: Final = 0.25
# A difference with a larger standard error than this is not known: twice it could hide ten points.
UNKNOWN: Final = 0.05
# Samples whose answers are kept.
REMEMBERED: Final = 32

T = TypeVar("T")
Sample = tuple[Scan, ...]
# By the key of the scan: uint8 (SIDE, SIDE, 3).
Pictures = dict[int, npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Sight:
    """Options of a run by these names, and half a sentence that says why."""

    sees: str
    windows: str
    shape: str
    why: str
    levels: str = LEVELS_KEPT


@dataclass(frozen=True)
class Asked:
    """What the caller named; None for what is left to the data."""

    sees: str | None = None
    windows: str | None = None
    shape: str | None = None
    levels: str | None = None


def words(sees: str, windows: str, size: int | None, shape: str, levels: str = LEVELS_KEPT) -> str:
    """ "colour at 96 pixels, squashed"."""
    at = f" at {size} pixels" if size else ""
    if sees == WINDOWS:
        return f"the window{'s' if len(read_windows(windows)) > 1 else ''} {windows}{at}, {SHAPES[shape]}"
    equalised = ", equalised" if levels == EQUALISED else ""
    return f"{SEES.get(sees, '')}{at}{equalised}, {SHAPES[shape]}"


def decide(asked: Asked, *, usual_shape: str, scans: Scans | None) -> Sight:
    """`usual_shape`: the project's. `scans`: None before there is a data set; then nothing is asked of it. `require_possible`
    comes first."""
    shape = asked.shape or usual_shape
    levels = asked.levels or LEVELS_KEPT
    if asked.sees or asked.windows or levels == EQUALISED or scans is None:
        sees = asked.sees or (WINDOWS if asked.windows else GREY)
        named = asked.windows or (_presets(scans) if sees == WINDOWS else "")
        return Sight(sees, named, shape, "as asked", levels)
    are_cts = _mostly(scan.is_ct for scan in scans.training)
    if are_cts and not scans.narrow and (known := _own_windows(scans)):
        return Sight(WINDOWS, known, shape, "the scans are CTs, which doctors look at in these windows")
    found, why = _colour(scans)
    if are_cts and scans.narrow:
        why = f"{_without_values(scans)}, so there are no windows; {why}"
    return Sight(found, "", shape, why)


def require_possible(asked: Asked, scans: Scans) -> None:
    """Invalid for windows that these scans cannot be looked at through. Asks their rows alone."""
    if asked.sees != WINDOWS and not asked.windows:
        return
    if scans.narrow:
        raise Invalid(
            f"{_without_values(scans)}, of which windows are made. Take {'it' if scans.narrow == 1 else 'them'} out of training "
            "(or bring the original DICOM files in), or choose grey or colour.",
            attr="sees",
        )
    if not asked.windows and not _mostly(scan.is_ct for scan in scans.training):
        raise Invalid(
            "The windows of CTs are known, and these scans are none. Name windows in the scans' own values, as 40/400 "
            "(centre and width), or choose grey or colour.",
            attr="windows",
            code="required",
        )


def _without_values(scans: Scans) -> str:
    """Of all sides: one that cannot be read through windows ends the run, in the test split after all of the training."""
    have = "has 8 bits and none of its" if scans.narrow == 1 else "have 8 bits and none of their"
    return f"{scans.narrow} of {scans.count} scans of training, validation and test {have} own values"


def _presets(scans: Scans | None) -> str:
    if scans is None:
        return write_windows(presets.GENERAL)
    return _own_windows(scans) or write_windows(presets.of(scans.body_parts(SAMPLE)))


def _mostly(said: Iterable[bool]) -> bool:
    answers = list(said)
    return bool(answers) and sum(answers) >= MOSTLY * len(answers)


def _own_windows(scans: Scans) -> str:
    """The presets for what the CTs show, after the window that the files ask for; empty where a view has 8 bits."""
    views = [seen for scan in scans.sample(OPENED) if (seen := _view_of(scan))]
    # Where small values are bright the first one is the larger.
    own = [(min(seen.window), max(seen.window)) for seen in views if seen.window[0] != seen.window[1]]
    if not own or any(not seen.has_values for seen in views):
        return ""
    low, high = (float(np.median(ends)) for ends in zip(*own, strict=True))
    return write_windows(presets.joined(((low + high) / 2, high - low), presets.of(scans.body_parts(SAMPLE))))


def _view_of(scan: Scan) -> LearningView | None:
    """None where it cannot be read: whoever trains on it says why. Raises Unavailable where no view can be made now: then nothing
    is known of any."""
    try:
        return view(Image.objects.select_related("blob").get(pk=scan.image))
    except Unavailable:
        raise
    except (DomainError, DamagedObject, Image.DoesNotExist, ValueError, KeyError, struct.error):
        return None


def _colour(scans: Scans) -> tuple[str, str]:
    """COLOUR or GREY, and why."""
    sample = scans.sample(SAMPLE)
    first = _coloured(scans.sample(FIRST))
    if not first:
        return GREY, "no small picture of the scans can be read"
    if not any(first.values()):
        return GREY, f"none of {len(first)} training scans looked at has colour"
    has_colour = _coloured(sample)
    shares = [
        np.mean([has_colour[scan.image] for scan in own])
        for label in sorted({scan.label for scan in sample})
        if (own := [scan for scan in sample if scan.label == label and scan.image in has_colour])
    ]
    if min(shares) < EVERY_CLASS or max(shares) - min(shares) > UNEVEN:
        low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
        return (
            GREY,
            f"{low} to {high} % of a class have colour, which would tell how files were made, not what they show",
        )
    return _weighed(_told(sample))


def _weighed(told: telling.Telling | None) -> tuple[str, str]:
    if told is None:
        return COLOUR, "the scans have colour, and too few patients to measure whether it helps"
    figures = f"cross-validated {_share(told.colour)} against {_share(told.grey)}"
    if told.gain > told.error:
        return COLOUR, f"the scans have colour, and it tells the classes apart better than grey ({figures})"
    if told.error > UNKNOWN:
        return COLOUR, f"the scans have colour, and too few were there to measure whether it helps ({figures})"
    return GREY, f"the scans have colour, and it tells the classes apart no better ({figures})"


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


_memories: list[OrderedDict[Sample, Any]] = []


def forget() -> None:
    """Look again at whatever is asked about next."""
    for known in _memories:
        known.clear()


def _kept(function: Callable[[Sample, Pictures], T]) -> Callable[[Sample], T]:
    """The same scans are asked about when a plan is looked at and when its run is started. An answer that some pictures had no part
    in is not kept: they may be there again."""
    known: OrderedDict[Sample, T] = OrderedDict()
    _memories.append(known)

    def asked(sample: Sample) -> T:
        if sample not in known:
            pictures = _pictures(sample)
            found = function(sample, pictures)
            if len(pictures) < len(sample):
                return found
            known[sample] = found
        known.move_to_end(sample)
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return known[sample]

    return asked


@_kept
def _coloured(_: Sample, pictures: Pictures) -> dict[int, bool]:
    """Of those whose small picture can be read, whether it has colour."""
    if not pictures:
        return {}
    return dict(zip(pictures, map(bool, telling.coloured(np.stack(list(pictures.values())))), strict=True))


@_kept
def _told(sample: Sample, pictures: Pictures) -> telling.Telling | None:
    read = [scan for scan in sample if scan.image in pictures]
    labels = np.array([scan.label for scan in read], dtype=np.int64)
    return telling.compare(np.stack([pictures[scan.image] for scan in read]), labels, [scan.group for scan in read])


def _pictures(sample: Sequence[Scan]) -> Pictures:
    """The thumbnails that can be read. Raises what an archive that is away raises."""
    rows = Rendition.objects.filter(kind=RenditionKind.THUMBNAIL, frame=0, image__in=[scan.image for scan in sample])
    found: Pictures = {}
    for row in rows.select_related("blob").order_by("image"):
        # The run that trains on the scan says what is wrong with it.
        with suppress(DamagedObject, NotFound):
            data = blobs.read(row.blob)
            with suppress(OSError, ValueError):
                found[row.image_id] = _small(data)
    return found


def _small(jpeg: bytes) -> npt.NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.draft("RGB", (telling.SIDE, telling.SIDE))
        small = picture.convert("RGB").resize((telling.SIDE, telling.SIDE), Pillow.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)
