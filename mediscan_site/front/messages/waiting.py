"""Tells members of the work that waits for them, one message for each kind and project however much it is, at most once a day.

What is counted here is what the desks count, for all people together: so many queries however many they are."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from images.models import Desk, Image, Membership, Project, ProjectUserObjectPermission
from labeling.models import Lease
from labeling.reading.everyone import waiting_for
from mediscan_site.core.database import there_is
from mediscan_site.core.messages.services import Waiting, tell_of_all_work
from mediscan_site.core.models import Message, User
from models_registry.models import Referral
from models_registry.worklists.selectors import counts as referred
from models_registry.worklists.selectors import waits as referral_waits

# So many memberships are held at a time.
AT_ONCE: Final = 2_000
Places = Mapping[User, Collection[Project]]
Numbers = Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Work:
    """`right`: who does it; `page`: the name of the desk's address; `present`: whether a project may have some at all;
    `counts`: how much of it waits, by person and project."""

    kind: str
    right: str
    page: str
    present: Callable[[], Any]
    counts: Callable[[Places], Numbers]


def _to_review() -> Any:
    return Image.objects.filter(project=OuterRef("pk"), desk=Desk.REVIEW)


def _to_settle() -> Any:
    """Only where several read each scan can they disagree."""
    return Image.objects.filter(project=OuterRef("pk"), project__reads_wanted__gt=1, erased_at__isnull=True)


def _referred() -> Any:
    return Referral.objects.filter(referral_waits(), project=OuterRef("pk"))


def _reviews(people: Places) -> Numbers:
    return waiting_for(Lease.Task.REVIEW, people)


def _disagreements(people: Places) -> Numbers:
    return waiting_for(Lease.Task.ADJUDICATE, people)


def _referrals(people: Places) -> Numbers:
    """The same for all of a project."""
    numbers = referred({project for places in people.values() for project in places})
    return {(user.pk, project.pk): numbers[project.pk] for user, places in people.items() for project in places}


WORK: Final = (
    Work("review_waits", "review_label", "review", _to_review, _reviews),
    Work("adjudication_waits", "review_label", "adjudication", _to_settle, _disagreements),
    Work("referral_waits", "label_image", "referrals", _referred, _referrals),
)


def tell_of_waiting() -> None:
    for work in WORK:
        projects = {row.pk: row for row in Project.objects.filter(there_is(work.present()))}
        _retire(work, projects)
        for people in _able(work, projects):
            numbers = work.counts(people)
            tell_of_all_work(
                work.kind,
                [
                    Waiting(user, project.pk, number, reverse(work.page, args=[project.pk]), {"project": project.name})
                    for user, places in people.items()
                    for project in places
                    for number in [numbers[user.pk, project.pk]]
                ],
            )


def _retire(work: Work, projects: Collection[int]) -> None:
    """Where nothing waits any more, nobody is left with a message that says so."""
    unread = Message.objects.filter(kind=work.kind, read_at=None, project__isnull=False)
    unread.exclude(project__in=list(projects)).update(read_at=timezone.now())


def _able(work: Work, projects: Mapping[int, Project]) -> Iterator[dict[User, list[Project]]]:
    """Members of these projects who may do it, some at a time."""
    able = ProjectUserObjectPermission.objects.filter(
        user=OuterRef("user"), content_object=OuterRef("project"), permission__codename=work.right
    )
    rows = Membership.objects.filter(Exists(able), project__in=list(projects), user__is_active=True)
    last = 0
    while members := list(rows.filter(pk__gt=last).select_related("user").order_by("pk")[:AT_ONCE]):
        found: dict[User, list[Project]] = {}
        for member in members:
            found.setdefault(member.user, []).append(projects[member.project_id])
        yield found
        last = members[-1].pk
