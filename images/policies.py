"""Who sees which project and scan, and who may do what in a project. Everything else asks here; what is not allowed is refused."""

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from django.contrib.auth.models import AnonymousUser
from django.db.models import OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from guardian.core import ObjectPermissionChecker
from guardian.shortcuts import get_objects_for_user

from images.models import Image, Membership, Project
from mediscan_site.core.database import there_is
from mediscan_site.core.errors import Forbidden, NotFound
from mediscan_site.core.models import User
from mediscan_site.core.policies import is_admin

VIEW = "view_project"
# What every member gets; an administrator grants the rest one by one.
MEMBER_PERMISSIONS = (VIEW, "upload_image", "label_image", "review_label", "grade_image")
GRANTED_PERMISSIONS = ("train_model", "deploy_model", "manage_project", "view_audit", "reidentify")
PERMISSIONS = MEMBER_PERMISSIONS + GRANTED_PERMISSIONS
# What each right allows, in words for pages.
RIGHT_WORDS: Final = {
    VIEW: _("see the project and its scans"),
    "upload_image": _("upload scans"),
    "label_image": _("label scans"),
    "review_label": _("review labels of others"),
    "grade_image": _("ask the model about scans"),
    "train_model": _("train models"),
    "deploy_model": _("put models to use"),
    "manage_project": _("manage classes, members and rights"),
    "view_audit": _("read the audit log"),
    "reidentify": _("look up the patient behind a pseudonym"),
}
# What somebody comes to do: a name, and the rights that go with it.
TEMPLATES: Final = {
    "reader": (_("Reader"), (VIEW, "upload_image", "label_image", "grade_image")),
    "reviewer": (_("Reviewer"), MEMBER_PERMISSIONS),
    "trainer": (_("Trainer"), (*MEMBER_PERMISSIONS, "train_model", "deploy_model")),
    "manager": (
        _("Manager"),
        (*MEMBER_PERMISSIONS, "train_model", "deploy_model", "manage_project", "view_audit"),
    ),
}


def _is_active(user: User | AnonymousUser) -> TypeGuard[User]:
    return user.is_authenticated and user.is_active


def visible_projects(user: User | AnonymousUser) -> QuerySet[Project]:
    """The projects that exist for this user: all for an administrator, else those with the object permission to view."""
    if not _is_active(user):
        return Project.objects.none()
    if user.is_admin:
        return Project.objects.all()
    # Only object permissions: a global one would show rows here that `can` refuses.
    return get_objects_for_user(user, f"images.{VIEW}", Project, with_superuser=False)


def visible_scans(user: User | AnonymousUser) -> QuerySet[Image]:
    """The scans that exist for this user. An erased one exists for nobody."""
    return Image.objects.filter(in_visible_projects(user), erased_at__isnull=True)


def in_visible_projects(user: User | AnonymousUser, path: str = "project") -> Q:
    """Rows of the projects that exist for this user: for an administrator any. `path`: from the row to its project."""
    if is_admin(user):
        return Q()
    # Fetched first: given the ids, the database reads a doctor's one project in the order of its index,
    # where a subquery makes it sort all their rows for each page.
    return in_projects(list(visible_projects(user).values_list("pk", flat=True)), path)


def in_projects(projects: Sequence[int], path: str = "project") -> Q:
    return Q(**{path: projects[0]}) if len(projects) == 1 else Q(**{f"{path}__in": projects})


def of_kept_scan(path: str = "image") -> Q:
    """Rows whose scan is not erased. `path`: from the row to its scan. Asked of each row: joined with a million scans, MySQL
    may begin at the scans and sort all rows for one page."""
    return ~there_is(Image.objects.filter(pk=OuterRef(path), erased_at__isnull=False))


def allowing(user: User, codename: str, projects: QuerySet[Project]) -> QuerySet[Project]:
    """Those of the visible `projects` in which the user has the right."""
    if user.is_admin:
        return projects
    return projects.filter(pk__in=get_objects_for_user(user, f"images.{codename}", Project, with_superuser=False))


def permissions(user: User | AnonymousUser, project: Project) -> frozenset[str]:
    """All codenames the user has in the project; none without the right to view it."""
    if not _is_active(user):
        return frozenset()
    if user.is_admin:
        return frozenset(PERMISSIONS)
    checker = ObjectPermissionChecker(user)
    # What the person was given and what their groups were, in one query.
    given: Any = checker.get_user_perms(project).order_by()
    granted = frozenset(given.union(checker.get_group_perms(project).order_by()))
    return granted.intersection(PERMISSIONS) if VIEW in granted else frozenset()


def candidates(user: User | AnonymousUser, project: Project) -> QuerySet[User]:
    """The accounts that the user may make members: all active non-members, for whoever manages the project."""
    if not can(user, "manage_project", project):
        return User.objects.none()
    return User.objects.filter(is_active=True).exclude(pk__in=Membership.objects.filter(project=project).values("user"))


def can(user: User | AnonymousUser, codename: str, project: Project) -> bool:
    return codename in permissions(user, project)


def require(user: User | AnonymousUser, codename: str, project: Project) -> None:
    """Refuse a user without the right: NotFound when the project does not exist for them, else Forbidden."""
    granted = permissions(user, project)
    if VIEW not in granted:
        raise NotFound("This project does not exist, or you are not a member of it.")
    if codename not in granted:
        # What the right allows, without its "Can": view_project, which is Django's own, was asked for above.
        allows = dict(Project._meta.permissions)[codename].removeprefix("Can ")
        raise Forbidden(f"You may not {allows} in this project. Ask an administrator for this right.")
