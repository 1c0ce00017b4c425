"""The dashboard of one person: their work first, then their projects, what runs and what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.counts import ScanNumber, scan_numbers
from images.models import Membership, Project, ProjectUserObjectPermission
from images.policies import PERMISSIONS, VIEW, visible_projects
from mediscan_site.core.http.pages import Page, keyset_page
from mediscan_site.core.models import User
from mediscan_site.front.overview import counting, trends
from mediscan_site.front.overview.happenings import Happening, happenings
from models_registry.models import Grade
from models_registry.policies import shown_grades
from models_registry.selectors import LONG_COLUMNS

PROJECTS: Final = 24
GRADES: Final = 5
CHANGES: Final = 8
CLASSES: Final = 6


@dataclass(frozen=True)
class Kind:
    """A kind of work: which count says how much waits, who may do it, and where it is done."""

    name: str
    title: Promise
    button: Promise
    page: str
    right: str
    icon: str


KINDS: Final = (
    Kind("to_label", _("To label"), _("Label"), "label_next", "label_image", "label"),
    Kind("to_review", _("To review"), _("Review"), "review", "review_label", "review"),
    Kind("to_adjudicate", _("To decide between readers"), _("Decide"), "adjudication", "review_label", "compare"),
    Kind("referred", _("Given back by the model"), _("Read"), "referrals", "label_image", "referred"),
    Kind("blind", _("To read blind"), _("Read"), "blind_reads", "label_image", "scan"),
    Kind("doubts", _("Doubtful labels"), _("Look"), "doubts", "review_label", "question"),
)


@dataclass(frozen=True)
class Work:
    """One kind of work over all projects; `url` leads to where most of it waits."""

    kind: Kind
    number: str
    url: str
    where: str
    others: int


@dataclass(frozen=True)
class Card:
    """One project. `waiting`: how much of each kind of work this user may do there. `rows`: its scans by state."""

    project: Project
    rights: frozenset[str]
    waiting: Mapping[str, int]
    rows: Sequence[ScanNumber]
    model: Any = None

    @cached_property
    def scans(self) -> int:
        return counting.total(self.rows)

    @property
    def progress(self) -> list[dict[str, Any]]:
        return counting.progress(self.rows)

    @property
    def balance(self) -> list[dict[str, Any]]:
        """The largest classes; small ones together, or one bar would be a list."""
        bars = counting.balance(self.rows, self.project.class_rows.all())
        if len(bars) <= CLASSES:
            return bars
        kept = sorted(bars, key=lambda bar: -bar["value"])[: CLASSES - 1]
        rest = sum(bar["value"] for bar in bars) - sum(bar["value"] for bar in kept)
        return [*kept, {"label": _("other classes"), "value": rest, "series": "rest"}]

    @property
    def labelled(self) -> float:
        return counting.labelled(self.rows) / self.scans if self.scans else 0.0

    @property
    def work(self) -> list[tuple[Kind, str, str]]:
        """What waits here: kind, number, address."""
        return [
            (kind, counting.bounded(self.waiting[kind.name]), address(kind, self.project))
            for kind in KINDS
            if self.waiting[kind.name]
        ]


@dataclass(frozen=True)
class Dashboard:
    cards: list[Card]
    work: list[Work]
    running: list[Happening]
    changes: list[Happening]
    labels: list[dict[str, Any]]
    grades: list[dict[str, Any]]
    latest: list[Grade]
    names: dict[int, str]
    more_projects: bool
    sees_audit: bool


def dashboard(user: User) -> Dashboard:
    """All of it in the same few queries, however many projects there are."""
    found = list(_projects(user).annotate(**_newest_grades(user))[: PROJECTS + 1])
    projects = found[:PROJECTS]
    keys = [project.pk for project in projects]
    rights = _rights(user, projects)
    cards = _cards(user, projects, rights)
    running, changes = happenings(keys) if keys else ([], [])
    told = trends.trends(user, keys) if keys else {"labels": [], "grades": []}
    return Dashboard(
        cards=cards,
        work=_work(cards),
        running=running,
        changes=changes[:CHANGES],
        labels=told["labels"] if trends.any_of(told["labels"]) else [],
        grades=told["grades"] if trends.any_of(told["grades"]) else [],
        latest=_latest(projects),
        names={project.pk: project.name for project in projects},
        more_projects=len(found) > PROJECTS,
        sees_audit=user.is_admin or any("view_audit" in held for held in rights.values()),
    )


def project_page(user: User, cursor: str | None) -> Page:
    """A page of the user's projects as cards, newest first, each with how many members it has."""
    own = Membership.objects.filter(project=OuterRef("pk")).order_by().values("project")
    members = Coalesce(Subquery(own.annotate(number=Count("pk")).values("number")), 0)
    page = keyset_page(_projects(user).annotate(members=members), ordering="-created_at", cursor=cursor, size=PROJECTS)
    return replace(page, rows=_cards(user, page.rows, _rights(user, page.rows)))


def _projects(user: User) -> Any:
    serving = visible_projects(user).select_related("deployed__deployment__model").prefetch_related("class_rows")
    return serving.defer(*(f"deployed__deployment__{name}" for name in LONG_COLUMNS)).order_by("-created_at", "-id")


def _rights(user: User, projects: Sequence[Project]) -> dict[int, frozenset[str]]:
    """What the user may do in each of these projects, which they see: one query, none for an administrator."""
    if user.is_admin:
        return {project.pk: frozenset(PERMISSIONS) for project in projects}
    held: dict[int, set[str]] = {project.pk: {VIEW} for project in projects}
    rows = ProjectUserObjectPermission.objects.filter(user=user, content_object__in=projects)
    for project, codename in rows.values_list("content_object", "permission__codename"):
        held[project].add(codename)
    return {pk: frozenset(names) for pk, names in held.items()}


def _cards(user: User, projects: Sequence[Project], rights: Mapping[int, frozenset[str]]) -> list[Card]:
    queues, waiting = counting.queues(user, projects), counting.waiting(user, projects)
    numbers = scan_numbers([project.pk for project in projects])
    return [
        Card(
            project=project,
            rights=rights[project.pk],
            waiting=_allowed({**queues[project.pk], **waiting[project.pk]}, rights[project.pk]),
            rows=numbers[project.pk],
            model=_serving(project),
        )
        for project in projects
    ]


def _allowed(numbers: Mapping[str, int], rights: frozenset[str]) -> dict[str, int]:
    return {kind.name: numbers[kind.name] if kind.right in rights else 0 for kind in KINDS}


def _serving(project: Project) -> Any:
    return project.deployed.deployment.model if hasattr(project, "deployed") else None


def _work(cards: Sequence[Card]) -> list[Work]:
    told = []
    for kind in KINDS:
        busy = sorted((card for card in cards if card.waiting[kind.name]), key=lambda card: -card.waiting[kind.name])
        if busy:
            total = sum(card.waiting[kind.name] for card in busy)
            where = busy[0].project
            told.append(Work(kind, counting.bounded(total), address(kind, where), where.name, len(busy) - 1))
    return told


def address(kind: Kind, project: Project) -> str:
    try:
        return reverse(kind.page, args=[project.pk])
    except NoReverseMatch:
        return reverse("project", args=[project.pk])


def _newest_grades(user: User) -> dict[str, Subquery]:
    """Columns of a project: the keys of its newest grades. Each is found at the end of an index, however many there are."""
    own = shown_grades(user).filter(project=OuterRef("pk")).order_by("-created_at", "-id").values("pk")
    return {f"newest_grade_{place}": Subquery(own[place : place + 1]) for place in range(GRADES)}


def _latest(projects: Sequence[Project]) -> list[Grade]:
    """The newest grades of projects as `_newest_grades` loads them."""
    keys = [getattr(project, f"newest_grade_{place}") for project in projects for place in range(GRADES)]
    shown = Grade.objects.filter(pk__in=[key for key in keys if key is not None])
    rows = shown.select_related("project", "image", "model", "prediction").defer(*LONG_COLUMNS)
    return list(rows.order_by("-created_at", "-id")[:GRADES])
