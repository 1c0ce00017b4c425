from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mediscan_site.core import audit


class Command(BaseCommand):
    help = "Seal what is pending and check the whole audit chain. Exit 1 names the first event that does not fit."

    def handle(self, *args: Any, **options: Any) -> None:
        # The chain is checked first: sealing must not build on a damaged head.
        bad = audit.verify()
        if bad is not None:
            raise CommandError(
                f"The audit chain is broken at event {bad}: it was changed, removed or inserted.", returncode=1
            )
        audit.seal_pending()
        seq, digest = audit.head()
        self.stdout.write(f"audit: ok, {seq} events, head {digest}")
