"""Read queries: scans whose readers disagree, with what each said, and gold scans."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from django.db.models import QuerySet

from images.models import Image, Project
from labeling.models import GoldScan, Lease, Read
from labeling.reading.queue import queue_of
from labeling.reading.walk import Walk
from mediscan_site.core.models import User


@dataclass(frozen=True)
class Disagreement:
    image: str
    version: int
    reads: list[Read]


def disagreements(user: User, project: Project) -> Walk:
    """The scans that this user may settle."""
    return queue_of(user=user, project=project, task=Lease.Task.ADJUDICATE).walk()


def opinions(images: Sequence[Image]) -> list[Disagreement]:
    """Of each scan what its readers said; `letter` names them in the order in which they read."""
    found: dict[int, list[Read]] = defaultdict(list)
    rows = Read.objects.filter(image__in=images, active=True, label__isnull=False)
    for read in rows.select_related("label__label_class", "reader").order_by("seat"):
        vars(read)["letter"] = ascii_uppercase[len(found[read.image_id])]
        found[read.image_id].append(read)
    return [Disagreement(image.code, image.version, found[image.pk]) for image in images]


def gold_scans(project: Project) -> QuerySet[GoldScan]:
    rows = GoldScan.objects.filter(project=project, image__erased_at__isnull=True)
    return rows.select_related("image__label_class", "marked_by")
