from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from mediscan_site.core.storage import own_keys, ring, rotation
from mediscan_site.core.storage.keys import KeyRing


class Command(BaseCommand):
    help = "Add a new master key and wrap every file key with it. Touches rows, never files; may be interrupted and repeated."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--resume", action="store_true", help="wrap with the newest key there is, add none")
        parser.add_argument("--retire", metavar="KEY", help="then remove this old key, refused while a row needs it")

    def handle(self, *args: Any, **options: Any) -> None:
        # A file that is not this site's is refused before anything is written into it.
        ring.current()
        if not options["resume"]:
            KeyRing.add_master(settings.KEYS_FILE)
        keys = ring.current()
        count = rotation.rewrap_all(keys)
        self.stdout.write(f"rotate_keys: ok, {count} file keys wrapped with {keys.primary_id}")
        for name, number in rotation.reseal_all(keys).items():
            self.stdout.write(f"rotate_keys: ok, {number} {name} sealed with {keys.primary_id}")
        if options["retire"]:
            rotation.retire(options["retire"], path=settings.KEYS_FILE)
            own_keys.forget_master(options["retire"])
            self.stdout.write(f"rotate_keys: {options['retire']} removed. Restart the site and the workers.")
