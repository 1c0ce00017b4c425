"""`manage.py verify_images`: is every stored object still the one that was stored?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from images.services.verification import stored_objects, verify_objects
from mediscan_site.core.backup import place
from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.storage.keys import KeysError


class Command(BaseCommand):
    help = (
        "Reads, decrypts and re-hashes every stored object. Damaged ones are named and put into quarantine (exit 1); "
        "restored ones are released from it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--restore-from-backup",
            action="store_true",
            help="put each damaged object back from BACKUP_DIR, where a backup has it whole (no identity is needed)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        objects = stored_objects()
        total, damaged = objects.count(), 0
        console = Console(stderr=True)
        verifying = verify_objects(objects, from_backup=options["restore_from_backup"])
        checks = track(verifying, "Verifying", total=total, console=console, disable=not console.is_terminal)
        try:
            if options["restore_from_backup"]:
                place.root()
            for check in checks:
                damaged += check.damaged
                if check.restored:
                    self.stdout.write(f"restored: {check.owner} (object {check.blob.pk})")
                elif check.damaged:
                    self.stdout.write(f"damaged: {check.owner} (object {check.blob.pk})")
                elif check.released:
                    self.stdout.write(f"whole again: {check.owner} (object {check.blob.pk})")
        except (KeysError, BackupError) as error:
            raise CommandError(str(error)) from error
        if damaged:
            remedy = "No backup has them." if options["restore_from_backup"] else "Repeat with --restore-from-backup."
            raise CommandError(f"{damaged} of {total} stored objects are damaged. {remedy}")
        self.stdout.write(f"{total} stored objects verified, none damaged.")
