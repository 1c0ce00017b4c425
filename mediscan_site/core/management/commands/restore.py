"""`manage.py restore PATH`: from a backup to a working site."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core import audit
from mediscan_site.core.backup import place
from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.backup.restoring import Restored, restore
from mediscan_site.core.models import AuditSeal, ServiceToken
from mediscan_site.core.storage.keys import KeysError
from mediscan_site.core.trail import anchors


class Command(BaseCommand):
    help = (
        "Restore the whole site from a backup: keys file, database, stored objects. All of it is checked before anything is "
        "written. Stop the site first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="one backup, or the folder of all (the newest is taken)")
        parser.add_argument("--identity", type=Path, help="file with the age identity that opens it")
        parser.add_argument("--signer", default="", help="who must have signed it, where no file here shows that")
        parser.add_argument(
            "--without-damaged", action="store_true", help="leave out the objects that the backup does not have whole"
        )
        parser.add_argument("--force", action="store_true", help="replace the data that this site has")

    def handle(self, *args: Any, path: Path, identity: Path | None, **options: Any) -> None:
        chosen = {name: options[name] for name in ("signer", "force", "without_damaged")}
        try:
            done = restore(path, identity=place.identity(identity), **chosen)
        except (BackupError, KeysError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"The restore stopped ({error.strerror or error}). Fix that and restore again."
            ) from error
        self._report(done)

    def _report(self, done: Restored) -> None:
        manifest = done.manifest
        rows = sum(manifest.rows.values())
        self.stdout.write(f"restore: {manifest.name}, {rows} rows in {len(manifest.rows)} tables, all counted")
        self.stdout.write(
            f"objects: {done.written} written, {done.there} were already there, {done.erased} scans erased again"
        )
        self._audit(*manifest.audit)
        if done.lost:
            message = (
                f"{len(done.lost)} objects were damaged in the backup and are in quarantine: {', '.join(done.lost)}"
            )
            self.stderr.write(self.style.WARNING(message))
        if set(done.damaged) - set(done.lost):
            raise CommandError(
                f"{len(done.damaged)} of {done.verified} objects do not verify: {', '.join(done.damaged[:5])}"
            )
        self.stdout.write(f"verified: {done.verified - len(done.damaged)} objects read, decrypted and hashed")
        live = ServiceToken.objects.filter(revoked_at=None).count()
        for sentence in done.withdrawn:
            self.stdout.write(f"withdrawn: {sentence}")
        self.stdout.write(
            f"Everybody signs in again. {live} service tokens are valid. What the list beside the backups knows to be withdrawn "
            f"since {manifest.made_at} is named above; what it could not know of is valid again."
        )

    def _audit(self, seq: int, digest: str) -> None:
        bad = audit.verify()
        if bad is not None:
            raise CommandError(f"The audit chain is broken at event {bad}.")
        if seq and AuditSeal.objects.values_list("hash", flat=True).get(seq=seq) != digest:
            raise CommandError(f"The audit chain does not have the head of the backup at event {seq}.")
        anchors.restored(seq, digest)
        audit.seal_pending()
        self.stdout.write(f"audit: ok, head of the backup {seq} {digest}")
