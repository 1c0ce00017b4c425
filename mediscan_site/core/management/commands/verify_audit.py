from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mediscan_site.core import audit
from mediscan_site.core.trail import anchors, checking, guards


class Command(BaseCommand):
    help = (
        "Check the whole audit trail, compare it with its anchors and seal what is pending. Exit 1 names what does not hold: an "
        "event that was changed, moved or removed, a row that the site did not write, a tail that was cut off. Exit 2: an anchor "
        "cannot be read, or is not of this site."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--anchor",
            action="append",
            default=[],
            help="compare with this too: a file of anchors, one line of it or of the log, or a backup; may be repeated. The "
            "local file and the newest backup are always compared with",
        )

    def handle(self, *args: Any, anchor: list[str], **options: Any) -> None:
        # The chain is checked first: sealing must not build on a damaged head.
        fault = checking.first_fault()
        if fault is not None:
            raise CommandError(f"The audit chain is broken at event {fault.seq}: {fault.why}.", returncode=1)
        compared = self._compared(anchor)
        audit.seal_everything()
        self._require_no_strays()
        for name in guards.watch():
            self.stderr.write(self.style.WARNING(f"The trigger {name} is missing. manage.py migrate puts it back."))
        seq, digest = audit.head()
        self.stdout.write(f"audit: ok, {seq} events, {compared}, head {digest}")

    def _compared(self, named: list[str]) -> str:
        try:
            known = [*anchors.here(), *(one for text in named for one in anchors.given(text))]
        except anchors.NoAnchor as error:
            raise CommandError(str(error), returncode=2) from error
        loss = anchors.first_loss(known)
        if loss is not None:
            raise CommandError(f"The audit chain does not fit its anchors. {loss}", returncode=1)
        if not known:
            self.stderr.write(self.style.WARNING("There is no anchor to compare with: a cut tail would not be seen."))
        return f"{len(known)} anchors held"

    def _require_no_strays(self) -> None:
        strays = checking.strays()
        if strays:
            named = ", ".join(map(str, strays[:5]))
            raise CommandError(
                f"{len(strays)} rows of core_auditevent were not written by this site and are not sealed: id {named}. The chain "
                "itself holds. Somebody wrote into the database past the site.",
                returncode=1,
            )
