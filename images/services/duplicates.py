"""Finding scans that show the same picture. Not part of an upload: a new scan waits (`compared_at` is null) until a worker, or
a data set that is about to be frozen, has compared it with the others of its project."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from images import covering, similarity
from images.models import Image, NearDuplicate
from images.renditions import tile
from images.selectors import to_compare
from images.services import known
from images.services.erasure import on_erase
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import DomainError
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage.envelope import DamagedObject

log = logging.getLogger(__name__)

# How many are saved at a time, and how many tiles (64 KiB each) are kept in memory.
BATCH = 50
# So many scans that show one picture are named: of empty pictures there may be thousands.
MOST_ALIKE = 200
TILES = 256

Tile = npt.NDArray[np.uint8]
Pair = tuple[int, int, int, float]


def compare_pending(*, budget_s: float) -> None:
    """Compare what waits, in all projects, for about `budget_s` seconds. What is left waits for the next call."""
    end = time.monotonic() + budget_s
    for project_id in list(to_compare().order_by("project").values_list("project", flat=True).distinct()):
        if compare_project(project_id, budget_s=end - time.monotonic()):
            return


def compare_project(project_id: int, *, budget_s: float) -> int:
    """Compare the scans of a project that wait. How many still wait when the time is up (0: none).

    Two workers at once do some work twice and write the same. Each pair is compared for the scan that comes second: a scan is
    read here only after it was committed, and stays pending until it was compared with all that were there."""
    end = time.monotonic() + budget_s
    pending = [known.packed(page) for page in known.pages(_waiting(project_id).values_list("pk", "phash"))]
    if not pending:
        return 0
    # After those that wait: what is done with meanwhile is in both, not in none.
    done = known.known(project_id)
    keys = np.concatenate([*(keys for keys, _ in pending), done.keys])
    hashes = np.concatenate([*(words for _, words in pending), done.hashes])
    pairs = _compared(keys, hashes, len(keys) - len(done.keys))
    while batch := list(islice(pairs, BATCH if time.monotonic() < end else 0)):
        _write(project_id, batch)
    return _waiting(project_id).count()


def near_duplicates(image: Image, user: User | AnonymousUser | None = None) -> list[Image]:
    """The scans that show the same picture as this one, in order of their number, the first MOST_ALIKE of them. With `user`: as
    that user sees them."""
    others = [pk for walk in _beside(image) for pk in walk[:MOST_ALIKE]]
    rows = Image.objects.filter(pk__in=others, erased_at__isnull=True).select_related("label_class").order_by("pk")
    return list((rows if user is None else covering.cover(rows, user))[:MOST_ALIKE])


def _beside(image: Image) -> "tuple[QuerySet[NearDuplicate, int], QuerySet[NearDuplicate, int]]":
    """The keys of the other scan of each pair, in their order: an OR over both columns would be no walk of an index."""
    return (
        NearDuplicate.objects.filter(second=image).order_by("first").values_list("first", flat=True),
        NearDuplicate.objects.filter(first=image).order_by("second").values_list("second", flat=True),
    )


def pairs_of(project_id: int) -> Iterator[tuple[int, int]]:
    """Every confirmed pair of a project, by primary keys."""
    return NearDuplicate.objects.filter(project=project_id).values_list("first", "second").iterator()


@on_erase
def forget(image: Image) -> list[Blob]:
    """Drop the pairs of an erased scan: that it looked like another one reveals what it showed."""
    NearDuplicate.objects.filter(first=image).delete()
    NearDuplicate.objects.filter(second=image).delete()
    return []


def _waiting(project_id: int) -> QuerySet[Image]:
    return known.with_hash(project_id).filter(compared_at__isnull=True)


def _compared(keys: known.Keys, hashes: similarity.Hashes, waiting: int) -> Iterator[tuple[int, list[Pair]]]:
    """For each of the first `waiting` scans: its key and its confirmed pairs with those that come after it in `keys`."""
    read = lru_cache(maxsize=TILES)(_tile)
    for row in range(waiting):
        pairs, one = [], int(keys[row])
        for place, distance in similarity.nominees(hashes[row], hashes[row + 1 :]):
            other = int(keys[row + 1 + place])
            likeness = _likeness(read, one, other) if other != one else 0.0
            if likeness >= similarity.CONFIRMED:
                pairs.append((min(one, other), max(one, other), distance, likeness))
        yield one, pairs


def _likeness(read: Callable[[int], Tile | None], one: int, other: int) -> float:
    first, second = read(one), read(other)
    return similarity.likeness(first, second) if first is not None and second is not None else 0.0


def _tile(pk: int) -> Tile | None:
    """None where the pixels are gone or damaged: such a scan cannot be fed to a model either, so it leaks nothing. Storage that
    is away for a while is another matter: the error is raised, and the scan keeps waiting."""
    image = Image.objects.select_related("blob").filter(pk=pk).first()
    try:
        return None if image is None else tile(image)
    except (DomainError, DamagedObject, FileNotFoundError) as error:
        log.warning("Scan %s cannot be compared: %s", pk, type(error).__name__)
        return None


@done_again
def _write(project_id: int, batch: list[tuple[int, list[Pair]]]) -> None:
    pairs = [pair for _, found in batch for pair in found]
    with transaction.atomic():
        touched = {pk for one, found in batch for pk in (one, *(pk for pair in found for pk in pair[:2]))}
        # A scan that is erased meanwhile takes its pairs along: locked here, or gone before.
        alive = set(
            Image.objects.select_for_update()
            .filter(pk__in=touched, project=project_id, erased_at__isnull=True)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        rows = [
            NearDuplicate(project_id=project_id, first_id=first, second_id=second, distance=bits, correlation=likeness)
            for first, second, bits, likeness in pairs
            if {first, second} <= alive
        ]
        NearDuplicate.objects.bulk_create(rows, ignore_conflicts=True)
        Image.objects.filter(pk__in=[pk for pk, _ in batch]).update(compared_at=Now())
