"""`manage.py verify_images`: is every stored object still the one that was stored?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rich.console import Console
from rich.progress import track

from mediscan_site.core.backup import place
from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.errors import Unavailable
from mediscan_site.core.storage.keys import KeysError
from mediscan_site.core.storage.verification import Checked, stored_objects, verify_all


class Command(BaseCommand):
    help = (
        "Reads, decrypts and re-hashes every stored object, also while the site works. Damaged ones are named and refused "
        "from then on (exit 1); restored ones are served again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--restore-from-backup",
            action="store_true",
            help="put each damaged object back from BACKUP_DIR, where a backup has it whole (no identity is needed)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from_backup = options["restore_from_backup"]
        try:
            if from_backup:
                place.root()
            checked, damaged, derived = self._verify(from_backup=from_backup)
        except (KeysError, BackupError, Unavailable) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"The database was busy or away for too long ({error}). Run this again.") from error
        except OSError as error:
            raise CommandError(
                f"The files cannot be used ({error.strerror or error}). Mend that, then repeat."
            ) from error
        if damaged:
            remedy = "No backup has them." if from_backup else "Repeat with --restore-from-backup."
            again = " Pictures of scans that are whole (rendition ...) are made again by make_views." if derived else ""
            raise CommandError(f"{damaged} of {checked} stored objects are damaged. {remedy}{again}")
        self.stdout.write(f"{checked} stored objects verified, none damaged.")

    def _verify(self, *, from_backup: bool) -> tuple[int, int, int]:
        """How many were looked at, how many are damaged, and how many of these were made from a scan."""
        checked, damaged, derived, console = 0, 0, 0, Console(stderr=True)
        total = stored_objects().count()
        checks = verify_all(from_backup=from_backup)
        for check in track(checks, "Verifying", total=total, console=console, disable=not console.is_terminal):
            checked, damaged = checked + 1, damaged + check.damaged
            derived += check.damaged and check.owner.startswith("rendition ")
            if word := _word(check):
                self.stdout.write(f"{word}: {check.owner} (object {check.blob.pk})")
        return checked, damaged, derived


def _word(check: Checked) -> str:
    if check.restored:
        return "restored"
    if check.damaged:
        return "damaged"
    return "whole again" if check.released else ""
