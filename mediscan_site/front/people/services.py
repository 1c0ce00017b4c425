"""What touches an account and its projects at once."""

from collections.abc import Mapping

from django.db import transaction

from images.models import Project
from images.policies import TEMPLATES
from images.services import add_member
from mediscan_site.core import invitations
from mediscan_site.core.errors import Invalid
from mediscan_site.core.models import Invitation, User


@transaction.atomic
def invite(
    *, actor: User, username: str, email: str, role: str, base_url: str, projects: Mapping[Project, str]
) -> tuple[Invitation, str | None]:
    """A new account with its projects, each with what the person comes to do there (`TEMPLATES`), and its invitation; all of it
    or nothing. With it the link, where it is to be handed over."""
    row, link = invitations.invite(actor=actor, username=username, email=email, role=role, base_url=base_url)
    for project, template in projects.items():
        if template not in TEMPLATES:
            raise Invalid(f"Choose one of: {', '.join(TEMPLATES)}.", attr="projects", code="invalid_choice")
        add_member(actor=actor, project=project, user=row.user, rights=TEMPLATES[template][1])
    return row, link
