"""`manage.py backup`: make, list or verify backups."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core.backup import checking, drills, layout, making, place, services, signing
from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.models import Backup, WorkStatus
from mediscan_site.core.storage import ring


class Command(BaseCommand):
    help = "Back up the whole site into BACKUP_DIR (see docs/operations.md), list the backups there, or read one back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            nargs="?",
            choices=["make", "drill"],
            default="make",
            help="make one (as without it), or rehearse restoring the newest in a scratch folder and database",
        )
        parser.add_argument(
            "--full",
            action="store_true",
            help="for make: read back every object's copy, also those that an earlier backup has verified",
        )
        parser.add_argument("--kind", choices=Backup.Kind.values, default=Backup.Kind.MANUAL.value)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--list", action="store_true", help="what is there, and who signs it")
        what.add_argument(
            "--verify", nargs="?", const="", metavar="NAME", help="read one (the newest) to its last byte"
        )
        parser.add_argument("--identity", type=Path, help="for drill; with --verify: also see that it decrypts")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["what"] == "drill":
                self._drill(options["identity"])
            elif options["list"]:
                self._list()
            elif options["verify"] is not None:
                self._verify(options["verify"], options["identity"])
            else:
                self._make(options["kind"], full=options["full"])
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _make(self, kind: str, *, full: bool) -> None:
        place.root()
        _, remark = place.recipients()
        row = services.request_backup(actor=None, kind=kind)
        making.run(row.pk, full=full)
        row.refresh_from_db()
        if row.status != WorkStatus.SUCCEEDED:
            raise CommandError(row.error or f"The backup ended as {row.status}. The log has the details.")
        self.stdout.write(
            f"backup: ok, {row.name}, {row.objects_total} objects ({row.objects_copied} new), {_mib(row.size)}, verified"
        )
        for line in filter(None, (row.error, remark)):
            self.stderr.write(self.style.WARNING(line))

    def _drill(self, identity: Path | None) -> None:
        if place.identity(identity) is None:
            raise CommandError(f"The identity that opens the backups is not on this machine. {drills.BY_HAND}")
        row = drills.request_drill()
        drills.run(row.pk, identity=identity)
        row.refresh_from_db()
        if row.status != WorkStatus.SUCCEEDED:
            raise CommandError(row.error or f"The drill ended as {row.status}. The log has the details.")
        took = f"{(row.seconds or 0) / 60:.1f} minutes"
        counts = f"{row.rows_counted} rows counted, the audit chain checked, {row.objects_verified} objects decrypted"
        self.stdout.write(f"drill: ok, {row.backup} restored in {took}; {counts}. The live site was not touched.")
        if row.error:
            self.stderr.write(self.style.WARNING(row.error))

    def _list(self) -> None:
        trusted = signing.signer(ring.current())
        verified = dict(Backup.objects.exclude(name="").values_list("name", "verified_at"))
        for folder in layout.folders(place.root()):
            try:
                manifest = checking.manifest_of(folder, trusted=trusted)
                at = verified.get(folder.name)
                line = (
                    f"{manifest.objects} objects, {_mib(manifest.size)}, verified {at:%Y-%m-%d %H:%M}"
                    if at
                    else "not verified"
                )
            except BackupError as error:
                line = str(error)
            self.stdout.write(f"{folder.name}  {line}")
        last = drills.last_drill()
        self.stdout.write(f"last drill {last:%Y-%m-%d %H:%M}" if last else "last drill never (manage.py backup drill)")
        self.stdout.write(f"signer {trusted}")

    def _verify(self, name: str, identity: Path | None) -> None:
        folders = [path for path in layout.folders(place.root()) if name in ("", path.name)]
        if not folders:
            raise CommandError(f"There is no backup {name} in BACKUP_DIR. backup --list shows what is there.")
        key = place.identity(identity)
        sound = services.verify_backup(folder=folders[-1], identity=key)
        opened = "it decrypts" if key else "not decrypted: no identity given"
        self.stdout.write(f"verify: ok, {sound.folder.name}, {sound.manifest.objects} objects whole; {opened}")


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
