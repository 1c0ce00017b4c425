"""`manage.py find_studies PROJECT`: which scans of before belong to one study."""

from typing import Any

from django.core.management.base import CommandParser

from images.commands import ProjectCommand
from images.services.studies import find_studies
from mediscan_site.core.models import User


class Command(ProjectCommand):
    help = (
        "Reads the study, series and instance of DICOM scans that came in before these were kept. It can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="name or key of the project")

    def act(self, actor: User, *, project: str = "", **options: Any) -> None:
        target = self.project(actor, project)
        outcomes = [done for _, done in find_studies(actor=actor, project=target)]
        self.stdout.write(f"{sum(outcomes)} of {len(outcomes)} scans without a study have one now.")
