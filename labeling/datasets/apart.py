"""Which scans of a project nothing binds to its held-out sides, among those that are in no data set."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from images.models import Image, PatientMerge, Project, Split
from labeling.datasets import persons
from labeling.datasets.candidates import NOBODY, bonds
from labeling.models import GroupSide, Label, Snapshot

HELD_OUT = (Split.VAL, Split.TEST)


def unlabelled(snapshot: Snapshot, *, before: datetime, strictly: bool) -> Iterator[int]:
    """Scans that nobody had labelled `before` then, that may train, and that share no patient, study or near-duplicate with a scan
    that was ever held out; in order of their keys. `strictly`: nor with one that is on the training side.

    It says the same later, as long as none of them is held out, put on hold or erased in the meantime."""
    project = snapshot.project
    sides = HELD_OUT if not strictly else Split.values
    taken = frozenset(GroupSide.objects.filter(project=project, side__in=sides).values_list("group", flat=True))
    lookalikes = persons.lookalikes(project)
    same = persons.one_person(persons.all_studies_of_several(project))
    merged = dict(PatientMerge.objects.filter(project=project).values_list("source", "target"))
    for image in _unlabelled(project, snapshot, before).iterator():
        image.patient = merged.get(image.patient or "", image.patient)
        if not bonds(image, lookalikes.get(image.pk, {}), same.get(image.patient or "", NOBODY)) & taken:
            yield image.pk


def at_most(project: Project) -> int:
    """How many `unlabelled` would find now if nothing bound any of them: asks their rows alone."""
    return _free(project, timezone.now()).count()


def _unlabelled(project: Project, snapshot: Snapshot, before: datetime) -> QuerySet[Image]:
    return _free(project, before).exclude(snapshot_members__snapshot=snapshot).order_by("pk")


def _free(project: Project, before: datetime) -> QuerySet[Image]:
    labels = Label.objects.filter(image=OuterRef("pk"), annotation_date__lt=before)
    # Whether it shows what another one shows must be known.
    return Image.objects.filter(
        ~Exists(labels),
        project=project,
        upload_date__lt=before,
        erased_at__isnull=True,
        use_for_training=True,
        frames=1,
        hold="",
    ).exclude(phash__gt="", compared_at__isnull=True)
