"""What readers of a project said, gathered for the figures of agreement. A reader sees the figures of all together and their own;
names of others only who manages the project."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from images.models import Project, ProjectClass
from images.policies import can
from labeling.agreement import figures
from labeling.agreement.figures import Pair, Scan
from labeling.agreement.intervals import Figure, share
from labeling.agreement.kappa import WEIGHTS
from labeling.models import Read
from labeling.policies import not_erased
from mediscan_site.core import text
from mediscan_site.core.merging import newest
from mediscan_site.core.models import User

UNGRADABLE = "ungradable"
# Of each kind the newest reads count, on a page that is made while somebody waits: of so many the intervals are narrow.
MOST = 5_000
# Pairs of readers that are shown and measured, those with most scans in common.
MOST_PAIRS = 45


@dataclass(frozen=True)
class ClassFigure:
    name: str
    reads: int
    kappa: Figure


@dataclass(frozen=True)
class Own:
    """One reader against what is known: their own earlier read, or a gold scan."""

    reader: str
    figure: Figure


@dataclass(frozen=True)
class NamedPair:
    readers: tuple[str, str]
    pair: Pair


@dataclass(frozen=True)
class Agreement:
    """`sampled`: there may be more reads than were measured, which are the newest."""

    weights: str
    scans: int
    reads: int
    patients: int
    names: list[str]
    percent: Figure
    fleiss: Figure
    classes: list[ClassFigure]
    pairs: list[NamedPair]
    repeats: list[Own]
    gold: list[Own]
    sampled: bool


@dataclass(frozen=True)
class Said:
    """One read: of which scan, in which round, by whom, and what."""

    image: int
    cluster: str
    round: int
    reader: int
    said: int
    against: int | None


def parse_weights(value: Any) -> str:
    """Invalid (attr `weights`) for anything but one of WEIGHTS; nothing is `none`."""
    return text.choice(value or None, attr="weights", choices=WEIGHTS) or WEIGHTS[0]


def measure(user: User | AnonymousUser, project: Project, weights: str = WEIGHTS[0]) -> Agreement:
    """All figures of the project, as far as this user sees them."""
    names = class_names(project)
    k = len(names)
    rows = said(project, names)
    scans = together(rows[Read.Kind.INDEPENDENT])
    seen = Seen(user, project, {row.reader for kind in rows.values() for row in kind})
    percent, fleiss = figures.of_several(scans, k)
    return Agreement(
        weights=weights,
        scans=len(scans),
        reads=sum(len(scan.said) for scan in scans),
        patients=len({scan.cluster for scan in scans}),
        names=[*names.values()],
        percent=percent,
        fleiss=fleiss,
        classes=_classes(scans, [*names.values()]),
        pairs=_pairs(scans, k, weights, seen),
        repeats=seen.own(rows[Read.Kind.REPEAT]),
        gold=seen.own(rows[Read.Kind.GOLD]),
        sampled=any(len(of_kind) == MOST for of_kind in rows.values()),
    )


def class_names(project: Project) -> dict[int | None, str]:
    """The project's classes in their order, retired ones too, and ungradable last."""
    rows = ProjectClass.objects.filter(project=project).order_by("position").values_list("pk", "name")
    return {**dict(rows), None: UNGRADABLE}


def said(project: Project, names: dict[int | None, str]) -> dict[str, list[Said]]:
    """By kind, the newest first, no more than MOST of each; those said anew do not count. What a gold scan is measured by is the
    label it has now, while that is approved."""
    place = {key: number for number, key in enumerate(names)}
    kinds = [str(kind) for kind in Read.Kind if kind != Read.Kind.REPLACED]
    return {kind: _said(project, kind, place) for kind in kinds}


def _said(project: Project, kind: str, place: dict[int | None, int]) -> list[Said]:
    # Which ones, by themselves: in the order of an index of their own table.
    chosen = list(newest(Read.objects.all(), project=project.pk, kind=kind).values_list("pk", flat=True)[:MOST])
    # Those that were taken back do not count.
    counting = Q(active=True) | Q(against__isnull=False)
    rows = Read.objects.filter(counting, not_erased(), pk__in=chosen, label__isnull=False)
    columns = ("image", "image__patient", "label__round", "reader", "label__label_class")
    against = ("against__label_class", "image__label_class")
    found = []
    for image, patient, number, reader, label_class, before, now in rows.order_by("-pk").values_list(
        *columns, *against
    ):
        cluster = f"patient:{patient}" if patient else f"scan:{image}"
        known = place.get(now if kind == Read.Kind.GOLD else before)
        found.append(Said(image, cluster, number, reader, place[label_class], known))
    return found


def together(rows: Iterable[Said]) -> list[Scan]:
    """The scans that two or more read in their newest reading."""
    last: dict[int, int] = {}
    scans: dict[int, Scan] = {}
    for row in rows:
        if row.round > last.get(row.image, 0):
            last[row.image], scans[row.image] = row.round, Scan(row.cluster, {})
        if row.round == last[row.image]:
            scans[row.image].said[row.reader] = row.said
    return [scan for scan in scans.values() if len(scan.said) > 1]


def _classes(scans: Sequence[Scan], names: Sequence[str]) -> list[ClassFigure]:
    found = []
    for c, name in enumerate(names):
        number = sum(value == c for scan in scans for value in scan.said.values())
        if number:
            found.append(ClassFigure(name, number, figures.of_class(scans, len(names), c)))
    return found


def _pairs(scans: list[Scan], k: int, weights: str, seen: "Seen") -> list[NamedPair]:
    """Ungradable has no place in an order of classes: with weights such reads are left out."""
    if weights != WEIGHTS[0]:
        k -= 1
        scans = [Scan(scan.cluster, {key: c for key, c in scan.said.items() if c < k}) for scan in scans]
    shown = [scan for scan in scans if seen.everybody or seen.user in scan.said]
    pairs = figures.of_pairs(shown, k, weights, of=None if seen.everybody else seen.user)
    return [NamedPair((seen.name(a), seen.name(b)), pair) for pair in pairs[:MOST_PAIRS] for a, b in [pair.readers]]


class Seen:
    """Whose figures a user sees under which name: who manages the project all, a reader their own, others without a name."""

    def __init__(self, user: User | AnonymousUser, project: Project, readers: set[int]) -> None:
        self.user = user.pk
        self.everybody = can(user, "manage_project", project)
        self._names = dict(User.objects.filter(pk__in=readers).values_list("pk", "username"))

    def name(self, reader: int) -> str:
        return self._names.get(reader, "") if self.everybody or reader == self.user else ""

    def own(self, rows: Iterable[Said]) -> list[Own]:
        """Per reader the share of reads that say what they are measured by."""
        found: dict[int, list[tuple[bool, str]]] = defaultdict(list)
        for row in rows:
            if row.against is not None and (self.everybody or row.reader == self.user):
                found[row.reader].append((row.said == row.against, row.cluster))
        owns = [
            Own(self.name(reader), share(*(list(part) for part in zip(*pairs, strict=True))))
            for reader, pairs in found.items()
        ]
        return sorted(owns, key=lambda own: own.reader)
