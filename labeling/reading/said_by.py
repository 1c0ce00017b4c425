"""Who has spoken of a scan where it waits, kept with the scan (`Image.said_by`), so that queues find what a reader may take by an
index. While it wants readers: who has read it; once it has a label: who gave that; and who made the service tokens in use."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from images.models import ApprovalStatus, Image, LabelStatus, Project
from labeling.models import Label, Read, Reference, SaidBy
from labeling.reading.states import State

# Nobody: has no row of its own, as every project begins with it.
NOBODY = ""


@dataclass(frozen=True)
class Spoken:
    """`key` names the set of people; `reads`: how many reads of theirs stand open."""

    key: str
    reads: int

    @property
    def people(self) -> frozenset[int]:
        return frozenset(int(pk) for pk in self.key.split(",")[1:-1])


def people_of(labels: Iterable[Label | None]) -> set[int]:
    """Readers of these labels, and who made the service tokens that gave them. A model is nobody."""
    return {pk for label in labels if label is not None for pk in (label.reader_id, label.through_id) if pk is not None}


def key_of(people: Collection[int], reads: int) -> str:
    """`,7,12,` for a label of 7 by a token of 12; `2,7,12,` for two open reads."""
    if not people:
        return NOBODY
    return f"{reads or ''},{','.join(map(str, sorted(people)))},"


def spoken_of(image: Image, state: State, label: Label | None) -> str:
    """The key of a scan that has this state and this label, for which there is a row from now on."""
    return _read_so_far(image) if is_open(state) else noted(image.project_id, people_of([label]), 0)


def is_open(state: State) -> bool:
    """Whether a scan in this state wants readers."""
    return state.label == LabelStatus.UNLABELED or state.approval == ApprovalStatus.REJECTED


def _read_so_far(image: Image) -> str:
    reads = list(Read.objects.filter(image=image, active=True, label__isnull=False).select_related("label"))
    return noted(image.project_id, people_of(read.label for read in reads), len(reads))


def noted(project: int, people: Collection[int], reads: int) -> str:
    """The key of these people, for which there is a row from now on."""
    key = key_of(people, reads)
    if key != NOBODY:
        SaidBy.objects.get_or_create(project_id=project, key=key, defaults={"reads": reads})
    return key


def recount(image: Image) -> None:
    """The open reads of a scan have changed, and nothing else. The caller holds the scan."""
    key = _read_so_far(image)
    Image.objects.filter(pk=image.pk).exclude(said_by=key).update(said_by=key)
    image.said_by = key


def spoken_in(projects: Collection[Project]) -> dict[int, list[Spoken]]:
    """The sets of people of each project, first nobody: one query."""
    found: dict[int, list[Spoken]] = {project.pk: [Spoken(NOBODY, 0)] for project in projects}
    rows = SaidBy.objects.filter(project__in=list(found)).order_by("pk")
    for project, key, reads in rows.values_list("project", "key", "reads"):
        found[project].append(Spoken(key, reads))
    return found


def wrong(images: Sequence[Image]) -> dict[int, str]:
    """Of scans loaded with their `reference__label`: what `said_by` should be, by scan, where it is something else or where the
    project does not know these people, so that no queue would look for them."""
    reads: dict[int, list[Label | None]] = defaultdict(list)
    for read in Read.objects.filter(image__in=images, active=True, label__isnull=False).select_related("label"):
        reads[read.image_id].append(read.label)
    rows = SaidBy.objects.filter(project__in={image.project_id for image in images})
    known = set(rows.values_list("project", "key"))
    found = {}
    for image in images:
        reference: Reference | None = getattr(image, "reference", None)
        if is_open(State(image.label_status, image.approval_status)):  # type: ignore[arg-type]
            key = key_of(people_of(reads[image.pk]), len(reads[image.pk]))
        else:
            key = key_of(people_of([reference.label] if reference else []), 0)
        if key != image.said_by or (key != NOBODY and (image.project_id, key) not in known):
            found[image.pk] = key
    return found


def mend(image: Image) -> bool:
    """Write what `said_by` should be, unless the scan has changed since it was loaded: then that has written it."""
    with transaction.atomic():
        held = Image.objects.select_for_update().filter(pk=image.pk, version=image.version)
        if not held.values_list("pk", flat=True):
            return False
        scan = Image.objects.select_related("reference__label").get(pk=image.pk)
        key = wrong([scan]).get(scan.pk)
        if key is None:
            return False
        if key != NOBODY:
            reads = int(key.split(",")[0] or 0)
            SaidBy.objects.get_or_create(project_id=scan.project_id, key=key, defaults={"reads": reads})
        Image.objects.filter(pk=scan.pk).update(said_by=key)
        return True
