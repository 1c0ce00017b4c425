"""Who works in a project and what they may do there."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from guardian.shortcuts import assign_perm, remove_perm

from images import policies, roles
from images.models import Membership, Project, ProjectUserObjectPermission
from mediscan_site.core import audit
from mediscan_site.core.backup.withdrawing import withdraws
from mediscan_site.core.errors import Conflict, Invalid, NotFound
from mediscan_site.core.models import User
from mediscan_site.core.policies import require_admin


def add_member(
    *, actor: User, project: Project, user: User, rights: Sequence[str] = policies.MEMBER_PERMISSIONS
) -> Membership:
    """Make the user a member with the rights every member has, or with those of a template (`policies.TEMPLATES`). Conflict
    when they already are one."""
    policies.require(actor, "manage_project", project)
    if set(rights).intersection(policies.GRANTED_PERMISSIONS):
        require_admin(actor)
    if not user.is_active:
        raise Invalid("This account is not active. Activate it first.", attr="user")
    try:
        with transaction.atomic():
            membership = Membership.objects.create(project=project, user=user, added_by=actor)
            for codename in policies.PERMISSIONS:
                if codename == policies.VIEW or codename in rights:
                    assign_perm(codename, user, project)
            _record("member.add", actor, project, user)
            for codename in rights:
                if codename in policies.GRANTED_PERMISSIONS:
                    _record("permission.grant", actor, project, user, codename)
    except IntegrityError as error:
        raise Conflict(f"{user.username} is already a member of this project.", code="unique", attr="user") from error
    return membership


@transaction.atomic
def remove_member(*, actor: User, project: Project, user: User) -> None:
    """End the membership and every right the user has in the project. What they did stays under their name."""
    policies.require(actor, "manage_project", project)
    if not Membership.objects.filter(project=project, user=user).delete()[0]:
        raise _no_member(user)
    ProjectUserObjectPermission.objects.filter(content_object=project, user=user).delete()
    _record("member.remove", actor, project, user)


@transaction.atomic
def grant(*, actor: User, project: Project, user: User, codename: str) -> None:
    """Give a member one right. Only an administrator gives the rights that not every member has."""
    _require_power_over(codename, actor=actor, project=project)
    if not Membership.objects.filter(project=project, user=user).exists():
        raise _no_member(user)
    assign_perm(codename, user, project)
    _record("permission.grant", actor, project, user, codename)


@transaction.atomic
def revoke(*, actor: User, project: Project, user: User, codename: str) -> None:
    """Take one right from a member; harmless when they do not have it."""
    _require_power_over(codename, actor=actor, project=project)
    if codename == policies.VIEW:
        raise Invalid("A member can always view the project. Remove the member instead.", attr="permission")
    if not Membership.objects.filter(project=project, user=user).exists():
        raise _no_member(user)
    remove_perm(codename, user, project)
    _record("permission.revoke", actor, project, user, codename)


@transaction.atomic
def set_role(*, actor: User, project: Project, user: User, role: str) -> None:
    """Give a member exactly the rights of a role (`policies.TEMPLATES`). Rights that no role has stay as they are. Each change
    is one of its own in the audit trail, and refused as such: only an administrator changes what not every member has."""
    policies.require(actor, "manage_project", project)
    if role not in policies.TEMPLATES:
        raise Invalid(f"role must be one of: {', '.join(policies.TEMPLATES)}.", attr="role", code="invalid_choice")
    wanted = {policies.VIEW, *policies.TEMPLATES[role][1]}
    rows = ProjectUserObjectPermission.objects.filter(content_object=project, user=user)
    held = set(rows.values_list("permission__codename", flat=True))
    for codename in policies.PERMISSIONS:
        if codename in wanted and codename not in held:
            grant(actor=actor, project=project, user=user, codename=codename)
        elif codename in held - wanted and codename in roles.OF_ROLES:
            revoke(actor=actor, project=project, user=user, codename=codename)


@withdraws("member")
def _remove_again(facts: dict[str, Any]) -> str:
    """After a restore: a membership that the backup still had."""
    member = Membership.objects.filter(project=facts["project"], user=facts["user"]).select_related("user").first()
    if member is None:
        return ""
    ProjectUserObjectPermission.objects.filter(content_object=member.project, user=member.user).delete()
    member.delete()
    return f"{member.user.username} is no member of {member.project.name} any more."


@withdraws("permission")
def _revoke_again(facts: dict[str, Any]) -> str:
    rights = ProjectUserObjectPermission.objects.filter(content_object=facts["project"], user=facts["user"])
    held = rights.filter(permission__codename=facts["permission"]).select_related("user", "content_object").first()
    if held is None:
        return ""
    held.delete()
    return f"{held.user.username} has the right {facts['permission']} in {held.content_object.name} no more."


def _require_power_over(codename: str, *, actor: User, project: Project) -> None:
    policies.require(actor, "manage_project", project)
    if codename not in policies.PERMISSIONS:
        known = ", ".join(policies.PERMISSIONS)
        raise Invalid(f"There is no such right. The rights are: {known}.", attr="permission", code="invalid_choice")
    if codename in policies.GRANTED_PERMISSIONS:
        require_admin(actor)


def _no_member(user: User) -> NotFound:
    return NotFound(f"{user.username} is not a member of this project.")


def _record(action: str, actor: User, project: Project, user: User, codename: str | None = None) -> None:
    details = {"user": user.pk, **({"permission": codename} if codename else {})}
    audit.record(action, actor=actor, obj=project, project=project.pk, details=details)
