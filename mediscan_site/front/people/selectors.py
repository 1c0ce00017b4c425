"""What pages show of people: who they are, what they may do where, and what they did lately."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Lower
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.models import Membership, Project, ProjectUserObjectPermission
from images.policies import PERMISSIONS, RIGHT_WORDS, TEMPLATES, VIEW
from mediscan_site.core.models import AuditEvent, Invitation, Role, User
from mediscan_site.core.names import name_key
from mediscan_site.core.policies import visible_users

SHOWN: Final = 20
PROJECTS_SHOWN: Final = 200
ROLES: Final[dict[str, Promise]] = {Role.ADMIN: _("Administrator"), Role.DOCTOR: _("Doctor")}
STATES: Final[dict[str, Promise]] = {
    "active": _("active"),
    "invited": _("invited"),
    "expired": _("invitation expired"),
    "inactive": _("not active"),
}


def people(viewer: Any, *, search: str = "", role: str = "", state: str = "") -> QuerySet[User]:
    """Accounts with when they were last active and in how many projects they are: one query however many."""
    # The newest event of an account, in the order of the index by actor: asked for by date or number alone, of somebody who did
    # nothing the database may read the events of all others. So it finds the next one below, which may be of another account.
    newest = AuditEvent.objects.filter(actor__lte=OuterRef("pk")).order_by("-actor_id", "-pk")
    of, at = (Subquery(newest.values(column)[:1]) for column in ("actor_id", "at"))
    last = Case(When(pk=of, then=at))
    projects = Membership.objects.filter(user=OuterRef("pk")).order_by().values("user").annotate(n=Count("pk"))
    found = visible_users(viewer).annotate(last_active=last, projects=Subquery(projects.values("n")))
    if search:
        # MySQL and MariaDB keep case in every comparison, under the collation that names have.
        by_name = Q(username__icontains=search) | Q(username_key__contains=name_key(search))
        lowered = Q(email_lowered__contains=search.lower())
        found = found.alias(email_lowered=Lower("email")).filter(by_name | lowered | Q(email__icontains=search))
    if role in Role.values:
        found = found.filter(role=role)
    if state in _STATE_LOOKUPS:
        found = found.filter(_STATE_LOOKUPS[state])
    return found.select_related("invitation__invited_by")


_WAITS = Q(invitation__isnull=False, invitation__accepted_at__isnull=True)
_STATE_LOOKUPS: Final = {
    "active": Q(is_active=True) & ~_WAITS,
    "invited": Q(is_active=True) & _WAITS,
    "inactive": Q(is_active=False),
}


def state_of(user: User) -> str:
    """A key of STATES."""
    if not user.is_active:
        return "inactive"
    row = invitation_of(user)
    if row is None or not row.is_open:
        return "active"
    return "expired" if row.has_expired else "invited"


def invitation_of(user: User) -> Invitation | None:
    return getattr(user, "invitation", None)


@dataclass(frozen=True)
class Place:
    """What somebody may do in one project: `rights` in words, `template` where they are just those of one."""

    project: Project
    rights: list[str]
    template: str


def places(user: User, projects: QuerySet[Project]) -> list[Place]:
    """The projects of the user among these, the newest first."""
    rows = Membership.objects.filter(user=user, project__in=projects).select_related("project")
    members = list(rows.order_by("-added_at", "-pk")[:PROJECTS_SHOWN])
    held: dict[int, set[str]] = {}
    granted = ProjectUserObjectPermission.objects.filter(user=user, content_object__in=[m.project_id for m in members])
    for project, codename in granted.values_list("content_object", "permission__codename"):
        held.setdefault(project, set()).add(codename)
    return [_place(member.project, held.get(member.project_id, set())) for member in members]


def _place(project: Project, held: set[str]) -> Place:
    template = next((str(name) for name, rights in TEMPLATES.values() if held == set(rights)), "")
    words = [str(RIGHT_WORDS[name]) for name in PERMISSIONS if name in held and name != VIEW]
    return Place(project, words, template)


def recent(user: User) -> QuerySet[AuditEvent]:
    """What the account did last, as the trail has it."""
    return AuditEvent.objects.filter(actor=user).order_by("-pk")[:SHOWN]


def log_ins(user: User) -> list[AuditEvent]:
    """Where the account was used last: log-ins, and those that failed."""
    about = AuditEvent.objects.filter(object_type="user", object_id=str(user.pk))
    return list(about.filter(action__in=("login", "login.failed", "login.locked")).order_by("-pk")[:SHOWN])
