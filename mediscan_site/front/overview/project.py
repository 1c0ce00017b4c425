"""The first page of a project: one headline, the next step, how far it is, who is in it and what waits for whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images import roles, selectors
from images.models import ApprovalStatus, Project, Split
from mediscan_site.core.models import User
from mediscan_site.front.axes import grouped, share
from mediscan_site.front.overview import counting
from mediscan_site.front.overview.dashboard import KINDS, Kind, address
from mediscan_site.front.rights import held
from models_registry.models import ModelVersion
from models_registry.selectors import deployed_model, latest_evaluation

# So many approved scans and a first model says more than chance.
ENOUGH: Final = 50
MEMBERS: Final = 8
KEY_FIGURES: Final = (
    ("auroc", gettext_lazy("AUROC")),
    ("balanced_accuracy", gettext_lazy("balanced accuracy")),
    ("accuracy", gettext_lazy("accuracy")),
)


@dataclass(frozen=True)
class Step:
    """What to do next: why, the button's words and where it leads (empty: nothing that this user could do)."""

    why: str
    button: str = ""
    url: str = ""


@dataclass(frozen=True)
class Person:
    name: str
    title: Promise
    active: bool


@dataclass(frozen=True)
class Overview:
    project: Project
    rights: frozenset[str]
    stats: dict[str, Any]
    waiting: Mapping[str, int]
    people: list[Person]
    reviewers: list[str]
    model: ModelVersion | None
    evaluation: Any

    @property
    def undecided(self) -> int:
        """Labels that somebody has to review, this user or a colleague."""
        approval = self.stats["approval_status"]
        labelled = approval[ApprovalStatus.PENDING] - self.stats["label_status"]["unlabeled"]
        return int(labelled + approval[ApprovalStatus.MODIFIED])

    @property
    def for_colleagues(self) -> int:
        """What is not counted among this user's reviews; 0 where there are more of those than are counted."""
        mine = self.waiting["to_review"]
        return max(self.undecided - mine, 0) if mine <= counting.MOST_WORK else 0

    @property
    def headline(self) -> str:
        total, labelled = self.stats["total"], self.stats["label_status"]["labeled"]
        words = ngettext("%(scans)s scan, %(share)s labelled", "%(scans)s scans, %(share)s labelled", total)
        return words % {"scans": grouped(total), "share": share(labelled / total if total else 0)}

    @cached_property
    def step(self) -> Step:
        return next(step for step in (find(self) for find in STEPS) if step is not None)

    @property
    def work(self) -> list[tuple[Kind, str, str]]:
        """Every kind of work with its number; an address where this user may do it."""
        return [
            (
                kind,
                counting.bounded(self.waiting[kind.name]),
                address(kind, self.project) if kind.right in self.rights else "",
            )
            for kind in KINDS
            if self.waiting[kind.name] or kind.name in ("to_label", "to_review")
        ]

    @property
    def progress(self) -> list[dict[str, Any]]:
        """How far the labels are, each part leading to its scans."""
        approval = self.stats["approval_status"]
        parts = [
            (_("approved"), approval[ApprovalStatus.APPROVED], 0, {"approval_status": "approved"}),
            (_("wait for a review"), self.undecided, 1, {"label_status": "labeled", "approval_status": "pending"}),
            (_("rejected"), approval[ApprovalStatus.REJECTED], 3, {"approval_status": "rejected"}),
            (_("without a label"), self.stats["label_status"]["unlabeled"], "rest", {"label_status": "unlabeled"}),
        ]
        return [
            {"label": label, "value": value, "series": series, "url": self._scans(query)}
            for label, value, series, query in parts
            if value
        ]

    @property
    def balance(self) -> list[dict[str, Any]]:
        rows = [
            {"label": name, "value": number, "url": self._scans({"label": name})}
            for name, number in self.stats["classes"].items()
        ]
        lost = {
            "label": _("ungradable"),
            "value": self.stats["ungradable"],
            "url": self._scans({"label": "ungradable"}),
        }
        return [*rows, {**lost, "series": "rest"}]

    @property
    def splits(self) -> list[dict[str, Any]]:
        names = {
            Split.TRAIN: _("for learning"),
            Split.VAL: _("for choosing"),
            Split.TEST: _("for the test"),
            "none": _("not decided yet"),
        }
        return [
            {
                "label": names[name],
                "value": number,
                "series": "rest" if name == "none" else 0,
                "url": self._scans({"split": name}),
            }
            for name, number in self.stats["splits"].items()
        ]

    @property
    def figure(self) -> tuple[Promise, Any] | None:
        """The figure of the deployed model that says most, with its interval."""
        metrics = self.evaluation.metrics if self.evaluation else {}
        found = ((title, metrics[name]) for name, title in KEY_FIGURES if isinstance(metrics.get(name), dict))
        return next(((title, entry) for title, entry in found if entry.get("value") is not None), None)

    def _scans(self, query: dict[str, str]) -> str:
        return f"{reverse('scan_list', args=[self.project.pk])}?{urlencode(query)}"


# In the order in which they are offered: a colleague waits for a decision, a scan only for somebody.
SENTENCES: Final[dict[str, tuple[Callable[[int], str], Promise]]] = {
    "to_adjudicate": (
        lambda n: ngettext("readers disagree on %(n)s scan", "readers disagree on %(n)s scans", n),
        gettext_lazy("Decide"),
    ),
    "to_review": (
        lambda n: ngettext("%(n)s label waits for your review", "%(n)s labels wait for your review", n),
        gettext_lazy("Review"),
    ),
    "referred": (
        lambda n: ngettext("%(n)s scan given back by the model waits", "%(n)s scans given back by the model wait", n),
        gettext_lazy("Read them"),
    ),
    "to_label": (
        lambda n: ngettext("%(n)s scan waits for a label", "%(n)s scans wait for a label", n),
        gettext_lazy("Label"),
    ),
    "doubts": (
        lambda n: ngettext("%(n)s label is doubtful", "%(n)s labels are doubtful", n),
        gettext_lazy("Look at them"),
    ),
    "blind": (
        lambda n: ngettext("%(n)s scan is to be read blind", "%(n)s scans are to be read blind", n),
        gettext_lazy("Read them"),
    ),
}


def overview(user: User, project: Project) -> Overview:
    people, reviewers = _people(user, project)
    model = deployed_model(project)
    return Overview(
        project=project,
        rights=held(user, project),
        stats=selectors.project_stats(project),
        waiting={**counting.queues(user, [project])[project.pk], **counting.waiting(user, [project])[project.pk]},
        people=people,
        reviewers=reviewers,
        model=model,
        evaluation=latest_evaluation(model) if model else None,
    )


def _people(user: User, project: Project) -> tuple[list[Person], list[str]]:
    """The members with what they are called; and who else may review."""
    members = selectors.members_with_rights(project)
    people = [Person(row.user.username, roles.title(held), row.user.is_active) for row, held in members]
    others = [(row, held) for row, held in members if row.user.is_active and row.user_id != user.pk]
    return people, [row.user.username for row, held in others if "review_label" in held]


def _first_scans(told: Overview) -> Step | None:
    if told.stats["total"]:
        return None
    if "upload_image" not in told.rights:
        return Step(_("No scans yet: a member with the right to upload has to add them."))
    return Step(_("No scans yet."), _("Upload scans"), reverse("upload", args=[told.project.pk]))


def _work(told: Overview) -> Step | None:
    """What this user can do now, the decision of a colleague's label before new labels."""
    kinds = {kind.name: kind for kind in KINDS if kind.right in told.rights and told.waiting[kind.name]}
    name = next((name for name in SENTENCES if name in kinds), None)
    if name is None:
        return None
    say, button = SENTENCES[name]
    number = told.waiting[name]
    return Step(say(number) % {"n": counting.bounded(number)}, str(button), address(kinds[name], told.project))


def _colleagues(told: Overview) -> Step | None:
    """Nobody approves their own label: who can is named."""
    if not told.for_colleagues:
        return None
    why = ngettext(
        "%(n)s label waits for a colleague's review", "%(n)s labels wait for a colleague's review", told.for_colleagues
    )
    members = reverse("project_members", args=[told.project.pk])
    if told.reviewers:
        return Step(why % {"n": grouped(told.for_colleagues)}, _("Who can review"), members)
    if "manage_project" in told.rights:
        return Step(why % {"n": grouped(told.for_colleagues)}, _("Add a reviewer"), members)
    return Step(why % {"n": grouped(told.for_colleagues)})


def _model(told: Overview) -> Step | None:
    approved = told.stats["approval_status"][ApprovalStatus.APPROVED]
    if told.model is None and approved >= ENOUGH and "train_model" in told.rights:
        return Step(
            _("enough labels are approved for a first model"),
            _("Train a model"),
            reverse("training", args=[told.project.pk]),
        )
    if told.model is not None and "grade_image" in told.rights:
        return Step(_("a model is deployed"), _("Grade a scan"), reverse("grade", args=[told.project.pk]))
    return None


def _nothing(told: Overview) -> Step:
    if "upload_image" in told.rights:
        return Step(_("all is done here"), _("Upload more scans"), reverse("upload", args=[told.project.pk]))
    return Step(_("nothing waits for you here"))


STEPS: Final = (_first_scans, _work, _colleagues, _model, _nothing)
