"""`manage.py adopt_store`: tell the store of objects that it is this database's."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core.models import Blob
from mediscan_site.core.storage import own_store


class Command(BaseCommand):
    help = (
        "Mark the store of objects as this database's, after looking why it is not. Whatever this database does not know "
        "counts as an orphan from then on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it; without this, only say what is there")

    def handle(self, *args: Any, **options: Any) -> None:
        found, holds = own_store.marker(), own_store.holds_objects()
        self.stdout.write(f"marker: {'none' if found is None else found.get('site', 'unreadable')}")
        self.stdout.write(f"objects: {'there are some' if holds else 'none'}")
        if not options["yes"]:
            raise CommandError("Nothing was changed. If this store is to be this database's, repeat with --yes")
        with own_store.anyones():
            call_command("migrate", verbosity=0)
        previous = own_store.adopt_audited()
        known = Blob.objects.filter(wrapped_key__isnull=False).count()
        self.stdout.write(
            f"adopt_store: ok, marked (before: {previous or 'nobody'}); this database knows {known} objects"
        )
