"""Tells members of the work that waits for them, one message for each kind and project however much it is, at most once a day.

What is counted here is what the desks count. Counting costs a query for each person, so it is asked only for projects in which
something waits at all, and for people who have not read lately that it does."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef
from django.urls import reverse

from images.models import Desk, Image, Membership, Project, ProjectUserObjectPermission
from labeling.models import Lease
from labeling.reading.selectors import queue_counts
from mediscan_site.core.messages.services import tell_of_work, told_lately
from mediscan_site.core.models import Message, User
from models_registry.models import Referral
from models_registry.worklists.selectors import counts as referred
from models_registry.worklists.selectors import waits as referral_waits

AT_MOST: Final = 2_000
# What `queue_counts` calls scans whose readers disagree, where there are any.
SETTLED: Final = "to_adjudicate"


@dataclass(frozen=True, slots=True)
class Work:
    """`right`: who does it; `page`: the name of the desk's address; `present`: whether a project may have some at all;
    `counts`: how much of it waits for a person in each of the projects."""

    kind: str
    right: str
    page: str
    present: Callable[[], Any]
    counts: Callable[[User, Collection[Project]], dict[int, int]]


def _to_review() -> Any:
    return Image.objects.filter(project=OuterRef("pk"), desk=Desk.REVIEW)


def _reviews(user: User, projects: Collection[Project]) -> dict[int, int]:
    found = queue_counts(user=user, projects=projects)
    return {project: numbers[Lease.Task.REVIEW] for project, numbers in found.items()}


def _to_settle() -> Any:
    """Only where several read each scan can they disagree."""
    return Image.objects.filter(project=OuterRef("pk"), project__reads_wanted__gt=1, erased_at__isnull=True)


def _disagreements(user: User, projects: Collection[Project]) -> dict[int, int]:
    found = queue_counts(user=user, projects=projects)
    return {project: numbers.get(SETTLED, 0) for project, numbers in found.items()}


def _referred() -> Any:
    return Referral.objects.filter(referral_waits(), project=OuterRef("pk"))


WORK: Final = (
    Work("review_waits", "review_label", "review", _to_review, _reviews),
    Work("adjudication_waits", "review_label", "adjudication", _to_settle, _disagreements),
    Work("referral_waits", "label_image", "referrals", _referred, lambda _user, projects: referred(projects)),
)


def tell_of_waiting() -> None:
    for work in WORK:
        projects = {row.pk: row for row in Project.objects.filter(Exists(work.present()))}
        _retire(work, projects)
        told = told_lately(work.kind).filter(read_at__isnull=False)
        known = set(told.values_list("user", "project"))
        for user, places in _able(work, projects).items():
            asked = [projects[pk] for pk in places if (user.pk, pk) not in known]
            if asked:
                _tell(work, user, asked)


def _tell(work: Work, user: User, projects: list[Project]) -> None:
    counts = work.counts(user, projects)
    for project in projects:
        number, facts = counts[project.pk], {"project": project.name}
        url = reverse(work.page, args=[project.pk]) if number else ""
        tell_of_work(user, work.kind, number=number, url=url, facts=facts, project=project.pk)


def _retire(work: Work, projects: Collection[int]) -> None:
    """Where nothing waits any more, nobody is left with a message that says so."""
    gone = Message.objects.filter(kind=work.kind, read_at=None).exclude(project__in=list(projects))
    for message in gone.select_related("user")[:AT_MOST]:
        if message.project is not None:
            tell_of_work(message.user, work.kind, number=0, url="", facts={}, project=message.project)


def _able(work: Work, projects: Collection[int]) -> dict[User, list[int]]:
    """Members of these projects who may do it."""
    able = ProjectUserObjectPermission.objects.filter(
        user=OuterRef("user"), content_object=OuterRef("project"), permission__codename=work.right
    )
    members = Membership.objects.filter(Exists(able), project__in=list(projects), user__is_active=True)
    found: dict[User, list[int]] = {}
    for member in members.select_related("user").order_by("user_id")[:AT_MOST]:
        found.setdefault(member.user, []).append(member.project_id)
    return found
