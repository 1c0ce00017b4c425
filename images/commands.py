"""The base of the commands that act for somebody in a project."""

from django.core.management.base import CommandError

from images.models import Project
from images.policies import visible_projects
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.management.acting import WRONG_USE, ActingCommand
from mediscan_site.core.models import User


class ProjectCommand(ActingCommand):
    def project(self, actor: User, value: str) -> Project:
        """A project that the actor sees, by exact name or key."""
        projects = visible_projects(actor)
        project = projects.filter(name=value).first()
        key = find_key(value)
        if project is None and key is not None:
            project = projects.filter(pk=key).first()
        if project is None:
            raise CommandError(f"There is no project '{value}' that {actor.username} can see.", returncode=WRONG_USE)
        return project
