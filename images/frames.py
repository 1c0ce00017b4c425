"""Which frames of a scan are looked at, when it is labelled, graded and learned from.

What a person chose counts; else the project's rule: the frame that the file names (RepresentativeFrameNumber, PS3.3 C.7.6.6), or
several that are spread evenly, that one among them. Where nobody and nothing says which, nobody may answer for the scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from images.models import MOST_FRAMES, FrameChoice, FrameSource, Image, Project
from mediscan_site.core.errors import Invalid

UNCHOSEN: Final = "unsupported_multiframe"
WHAT_HELPS: Final = (
    "Choose frames on its page, or tell the project how many to look at, or import it split into its frames."
)
# So many frames stand in one row: the picture of each is made from the whole file when it is shown first.
STRIP: Final = 12
_BATCH: Final = 500


@dataclass(frozen=True)
class Looked:
    """`frames`: numbers from 1, rising; none of a scan of one frame, and where nobody has said which. `by`: a user name."""

    frames: tuple[int, ...] = ()
    source: FrameSource = FrameSource.NOBODY
    by: str | None = None
    at: datetime | None = None


def looked_at(image: Image, project: Project) -> Looked:
    """The frames that count for a scan of the project now."""
    return all_looked_at([image], project)[image.pk]


def all_looked_at(images: Sequence[Image], project: Project) -> dict[int, Looked]:
    """The same of many, by key; a query for each 500 of several frames, and none where there are none."""
    found = {image.pk: Looked() for image in images}
    several = {image.pk: image for image in images if image.frames_shown > 1}
    choices: dict[int, list[FrameChoice]] = {pk: [] for pk in several}
    keys = sorted(several)
    for start in range(0, len(keys), _BATCH):
        rows = FrameChoice.objects.filter(image__in=keys[start : start + _BATCH]).select_related("chosen_by")
        for row in rows.order_by("pk"):
            choices[row.image_id].append(row)
    return found | {pk: _looked(several[pk].frames_shown, choices[pk], project.frames_seen) for pk in keys}


def _looked(count: int, choices: Sequence[FrameChoice], wanted: int) -> Looked:
    people = [row for row in choices if row.source == FrameSource.PERSON]
    if people and people[-1].frames:
        last = people[-1]
        by = last.chosen_by.username if last.chosen_by else None
        return Looked(tuple(last.frames), FrameSource.PERSON, by, last.chosen_at)
    named = next((int(row.frames[0]) for row in choices if row.source == FrameSource.FILE), None)
    if wanted > 1:
        return Looked(spread(count, wanted, named), FrameSource.RULE)
    return Looked() if named is None else Looked((named,), FrameSource.FILE)


def spread(count: int, wanted: int, named: int | None = None) -> tuple[int, ...]:
    """The middle frames of `wanted` equal parts of `count`; `named` takes the place of the nearest of them."""
    if wanted >= count:
        return tuple(range(1, count + 1))
    chosen = [(2 * part + 1) * count // (2 * wanted) + 1 for part in range(wanted)]
    if named is not None and named not in chosen:
        chosen[min(range(wanted), key=lambda at: abs(chosen[at] - named))] = named
    return tuple(sorted(chosen))


def unchosen(image: Image, looked: Looked) -> bool:
    """Whether the scan has several frames of which nobody has said which count."""
    return image.frames_shown > 1 and not looked.frames


def unchosen_of(images: "QuerySet[Image]", project: Project) -> list[int]:
    """The keys of those among the project's scans of which nobody has said which frames count."""
    several = list(images.filter(frames__gt=1))
    looked = all_looked_at(several, project)
    return [image.pk for image in several if unchosen(image, looked[image.pk])]


def require_chosen(image: Image, project: Project) -> Looked:
    """The frames that count; Invalid (attr `image`) where nobody has said which."""
    looked = looked_at(image, project)
    if unchosen(image, looked):
        raise Invalid(
            f"{image.code} has {image.frames_shown} frames, and nobody has said which of them count. {WHAT_HELPS}",
            code=UNCHOSEN,
            attr="image",
        )
    return looked


def parse(image: Image, given: Sequence[int]) -> list[int]:
    """The frames that somebody names, rising. Invalid (attr `frames`) for numbers that the scan does not have, and too many."""
    count = image.frames_shown
    if count < 2:
        raise Invalid(f"{image.code} is one picture; there is nothing to choose.", attr="frames", code="one_frame")
    frames = sorted(set(given))
    if wrong := [number for number in frames if not 1 <= number <= count]:
        raise Invalid(
            f"{image.code} has the frames 1 to {count}, and no frame {wrong[0]}.",
            attr="frames",
            code="does_not_exist",
        )
    if len(frames) > MOST_FRAMES:
        raise Invalid(
            f"Choose at most {MOST_FRAMES} frames of a scan; these are {len(frames)}.",
            attr="frames",
            code="too_many_frames",
        )
    return frames


@dataclass(frozen=True)
class Strip:
    """Some frames of a scan in a row. `before` and `after`: where the rows beside it begin, None where there are none. `overview`:
    the frames are from all over the scan, and not all of it."""

    image: Image
    looked: Looked
    shown: tuple[int, ...]
    before: int | None = None
    after: int | None = None
    overview: bool = False

    @property
    def hidden(self) -> list[int]:
        """Those that a person chose and that are not shown: a choice on this row keeps them. The rule's frames give way to it."""
        if self.looked.source != FrameSource.PERSON:
            return []
        return [frame for frame in self.looked.frames if frame not in self.shown]


def strip_of(image: Image, first: int | None = None) -> Strip:
    """At most STRIP frames, from `first` on; without it spread evenly, with all that are looked at."""
    looked, count = looked_at(image, image.project), image.frames_shown
    if first is None or count <= STRIP:
        shown = tuple(sorted({*spread(count, STRIP), *looked.frames}))
        return Strip(image, looked, shown, after=1 if count > STRIP else None, overview=count > STRIP)
    last = min(count, first + STRIP - 1)
    before = max(1, first - STRIP) if first > 1 else None
    return Strip(image, looked, tuple(range(first, last + 1)), before, last + 1 if last < count else None)
