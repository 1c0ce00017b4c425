import time
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

        parser.add_argument(
            "--from-checked",
            action="store_true",
            help="begin where the last check came to, if it was interrupted too, as the anchors say. What was changed before that "
            "place since then is found only without this",
        )

    def handle(self, *args: Any, anchor: list[str], from_checked: bool, **options: Any) -> None:
        # The chain is checked first: sealing must not build on a damaged head.
        self._check(self._start() if from_checked else None)
        compared = self._compared(anchor)
        audit.seal_and_look() if from_checked else audit.seal_everything()
        self._require_no_strays()
        for name in guards.watch():
            self.stderr.write(self.style.WARNING(f"The trigger {name} is missing. manage.py migrate puts it back."))
        seq, digest = audit.head()
        self.stdout.write(f"audit: ok, {seq} events, {compared}, head {digest}")

    def _start(self) -> checking.Place | None:
        try:
            note = anchors.last_checked()
        except anchors.NoAnchor as error:
            raise CommandError(str(error), returncode=2) from error
        return checking.Place(note.seq, note.hash) if note else None

    def _check(self, start: checking.Place | None) -> None:
        began, first = time.monotonic(), start.seq + 1 if start else 1
        fault = checking.first_fault(start, came_to=self._note)
        if fault is not None:
            raise CommandError(f"The audit chain is broken at event {fault.seq}: {fault.why}.", returncode=1)
        last = audit.head()[0]
        what = f"events {first} to {last}" if last >= first else f"no event after {first - 1}"
        self.stdout.write(f"checked: {what}, in {time.monotonic() - began:.0f} s")
        if start:
            self.stdout.write(
                f"Events 1 to {start.seq} were found to hold by an earlier check, and were not read again. Without "
                "--from-checked they are."
            )

    def _note(self, place: checking.Place) -> None:
        try:
            anchors.checked(place.seq, place.hash)
        except OSError as error:
            # What is checked holds or not all the same.
            self.stderr.write(
                self.style.WARNING(
                    f"That the events up to {place.seq} hold could not be noted beside AUDIT_ANCHOR_FILE ({error.strerror}): a "
                    "later check with --from-checked reads them again."
                )
            )

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
