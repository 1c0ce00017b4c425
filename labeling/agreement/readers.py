"""How each reader of a project reads: how much, how fast, and how far others, they themselves and known labels bear them out."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from django.contrib.auth.models import AnonymousUser

from images.models import ApprovalStatus, Project
from images.policies import can, of_kept_scan
from labeling.agreement.intervals import Figure, share
from labeling.agreement.measuring import MOST, class_names, said
from labeling.models import Label, Read, Review
from mediscan_site.core.merging import newest
from mediscan_site.core.models import User


@dataclass
class Reader:
    """`labels`: what they said of scans as a doctor; `median_seconds`: of those that came from a queue. All numbers are of the
    newest MOST labels, reads and reviews of the project (of a reader who asks for themselves: of their newest labels).

    reference: of the scans with an approved label, whether their newest word is that label. rejected, modified: decisions of
    others about their labels, of `reviewed` ones."""

    username: str
    labels: int = 0
    reads: int = 0
    timed: int = 0
    median_seconds: float | None = None
    reference: Figure = field(default_factory=lambda: Figure(None))
    reviewed: int = 0
    rejected: int = 0
    modified: int = 0
    repeats: Figure = field(default_factory=lambda: Figure(None))
    gold: Figure = field(default_factory=lambda: Figure(None))


def of_project(user: User | AnonymousUser, project: Project) -> list[Reader]:
    """Who manages the project sees all readers, a reader themselves. Of a large project the newest labels count."""
    only = None if can(user, "manage_project", project) else user.pk
    found = _labelled(project, only)
    rows = said(project, class_names(project))
    for kind, name in ((Read.Kind.REPEAT, "repeats"), (Read.Kind.GOLD, "gold")):
        pairs: dict[int, list[tuple[bool, str]]] = defaultdict(list)
        for row in rows[kind]:
            if row.reader in found and row.against is not None:
                pairs[row.reader].append((row.said == row.against, row.cluster))
        for reader, measured in pairs.items():
            setattr(found[reader], name, _share(measured))
    for row in rows[Read.Kind.INDEPENDENT]:
        if row.reader in found:
            found[row.reader].reads += 1
    _add_reviews(project, found)
    return sorted(found.values(), key=lambda reader: (-reader.labels, reader.username))


def _labelled(project: Project, only: int | None) -> dict[int, Reader]:
    of_whom = {} if only is None else {"reader": only}
    # Which ones, by themselves: in the order of an index of their own table.
    columns_first = {**of_whom, "project": project.pk, "source": Label.Source.DOCTOR.value}
    chosen = list(newest(Label.objects.all(), **columns_first).values_list("pk", flat=True)[:MOST])
    counts = {"source": Label.Source.DOCTOR, "reader__isnull": False, "taken_back": False}
    said_by = Label.objects.filter(of_kept_scan(), pk__in=chosen, **counts)
    columns = ("reader", "image", "image__patient", "seconds", "label_class", "read__kind")
    now = ("image__approval_status", "image__label_class")
    seconds: dict[int, list[int]] = defaultdict(list)
    measured: dict[int, list[tuple[bool, str]]] = defaultdict(list)
    spoken: set[tuple[int, int]] = set()
    found: dict[int, Reader] = {}
    for reader, image, patient, spent, said_class, kind, approval, known in said_by.order_by("-pk").values_list(
        *columns, *now
    ):
        entry = found.setdefault(reader, Reader(""))
        entry.labels += 1
        if spent is not None:
            seconds[reader].append(spent)
        # What only measured the reader is counted by itself; what they said anew is not their word any more.
        if kind in (None, Read.Kind.INDEPENDENT) and (reader, image) not in spoken:
            spoken.add((reader, image))
            if approval == ApprovalStatus.APPROVED:
                cluster = f"patient:{patient}" if patient else f"scan:{image}"
                measured[reader].append((said_class == known, cluster))
    names = dict(User.objects.filter(pk__in=found).values_list("pk", "username"))
    for reader, entry in found.items():
        entry.username, entry.reference = names[reader], _share(measured[reader])
        entry.timed = len(seconds[reader])
        entry.median_seconds = statistics.median(seconds[reader]) if seconds[reader] else None
    return found


def _share(measured: list[tuple[bool, str]]) -> Figure:
    return share([agreed for agreed, _ in measured], [cluster for _, cluster in measured])


def _add_reviews(project: Project, found: dict[int, Reader]) -> None:
    chosen = list(newest(Review.objects.all(), project=project.pk).values_list("pk", flat=True)[:MOST])
    standing = Review.objects.filter(of_kept_scan(), pk__in=chosen, decision__undone__isnull=True)
    for reader, status in standing.values_list("label__reader", "status"):
        if (entry := found.get(reader)) is not None:
            entry.reviewed += 1
            entry.rejected += status == Review.Status.REJECTED
            entry.modified += status == Review.Status.MODIFIED
