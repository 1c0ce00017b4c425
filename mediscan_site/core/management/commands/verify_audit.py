from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mediscan_site.core import audit
from mediscan_site.core.trail import checking, guards


class Command(BaseCommand):
    help = (
        "Check the whole audit trail and seal what is pending. Exit 1 names what does not hold: an event that was changed, "
        "removed or moved, or a row that the site did not write."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        # The chain is checked first: sealing must not build on a damaged head.
        fault = checking.first_fault()
        if fault is not None:
            raise CommandError(f"The audit chain is broken at event {fault.seq}: {fault.why}.", returncode=1)
        audit.seal_pending()
        self._require_no_strays()
        for name in guards.watch():
            self.stderr.write(self.style.WARNING(f"The trigger {name} is missing. manage.py migrate puts it back."))
        seq, digest = audit.head()
        self.stdout.write(f"audit: ok, {seq} events, head {digest}")

    def _require_no_strays(self) -> None:
        strays = checking.strays()
        if strays:
            named = ", ".join(map(str, strays[:5]))
            raise CommandError(
                f"{len(strays)} rows of core_auditevent were not written by this site and are not sealed: id {named}. The chain "
                "itself holds. Somebody wrote into the database past the site.",
                returncode=1,
            )
