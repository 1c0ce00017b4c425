"""`manage.py sweep_orphans`: what housekeeping does in slices, at once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core import notices
from mediscan_site.core.storage import orphans
from mediscan_site.core.storage.foreign import ForeignStore


class Command(BaseCommand):
    help = (
        "Remove stored objects of two days and more that no row refers to. Refuses to remove more than a small share."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--force", action="store_true", help="remove them however many: you looked, and mean it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = orphans.sweep(force=options["force"])
        except (orphans.TooMany, ForeignStore) as error:
            raise CommandError(str(error)) from error
        notices.take_away(orphans.NOTICE)
        self.stdout.write(
            f"sweep_orphans: ok, {found.erased} erased and {found.unknown} unknown of {found.total} objects removed"
        )
