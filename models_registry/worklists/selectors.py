"""Read queries about referred scans."""

from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from images.models import Image, Project
from images.selectors import scans
from mediscan_site.core.database import counted
from mediscan_site.core.http.pages import MOST_COUNTED, keyset_page
from mediscan_site.core.models import User
from models_registry.models import Referral
from models_registry.worklists.policies import visible_referrals


def referrals(user: Any) -> QuerySet[Referral]:
    """With all that a line or an answer says, in one query."""
    related = ("project", "image", "holder", "grade__model", "grade__prediction", "read__reader", "read__label_class")
    return visible_referrals(user).select_related(*related)


def waits() -> Q:
    """What makes a referral wait: the one rule behind the worklist and every count of it. A scan that is erased or held back has
    none (`grades.referrals`)."""
    # `active=True` would be the bare column, for which SQLite does not look into the index.
    return Q(active__in=[True])


def waiting(project: Project) -> QuerySet[Referral]:
    """The referrals of the project that somebody has to read, held by somebody or not."""
    return Referral.objects.filter(waits(), project=project)


def counts(projects: Collection[Project]) -> dict[int, int]:
    """How many referred scans wait in each project, to one more than MOST_COUNTED: one query for a hundred projects."""
    return counted({project.pk: waiting(project) for project in projects}, MOST_COUNTED)


def is_held(referral: Referral) -> bool:
    """Whether somebody has it open now."""
    return referral.holder_id is not None and referral.expires_at is not None and referral.expires_at > timezone.now()


def held_by(user: User, project: Project) -> QuerySet[Referral]:
    """The user's live leases, oldest referral first: a page that is loaded again shows the same scan."""
    mine = waiting(project).filter(holder=user, expires_at__gt=timezone.now())
    return mine.order_by("opened_at", "pk")


def free(project: Project) -> QuerySet[Referral]:
    """What nobody has open, oldest first."""
    nobody = Q(holder__isnull=True) | Q(expires_at__lte=timezone.now())
    return waiting(project).filter(nobody).order_by("opened_at", "pk")


def scan_of(user: Any, referral: Referral) -> Image | None:
    """The scan with everything that a page shows of one."""
    return scans(user).filter(pk=referral.image_id).first()


def recent(user: Any, project: Project, number: int) -> list[Referral]:
    """The referrals that were read last."""
    closed = referrals(user).filter(project=project, active__isnull=True, closed_at__isnull=False)
    return keyset_page(closed, ordering="-closed_at", cursor=None, size=number).rows
