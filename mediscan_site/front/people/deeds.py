"""What somebody did, in words: the actions of the audit trail as a page of a person tells them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.models import scan_code
from mediscan_site.core.models import AuditEvent

WORDS: Final[dict[str, Promise]] = {
    "acceptance.begin": _("began an acceptance test"),
    "acceptance.decide": _("decided an acceptance test"),
    "alarm.decide": _("decided about an alarm"),
    "alarm.raise": _("an alarm was raised"),
    "backup.create": _("made a backup"),
    "backup.drill": _("rehearsed a restore"),
    "backup.fail": _("a backup failed"),
    "backup.request": _("asked for a backup"),
    "blind_read.claim": _("took a scan to read blind"),
    "blind_read.read": _("read a scan blind"),
    "doubt.keep": _("kept a label that was doubted"),
    "drill.request": _("asked for a rehearsal of a restore"),
    "evaluation.finish": _("an evaluation ended"),
    "evaluation.request": _("asked for an evaluation"),
    "export.discard": _("discarded an export"),
    "export.download": _("downloaded an export"),
    "export.finish": _("an export ended"),
    "export.start": _("started an export"),
    "feedback.create": _("said whether a grade is right"),
    "grade.finish": _("a grade was answered"),
    "grade.read_first": _("read a scan before seeing the model's answer"),
    "grade.request": _("asked the model"),
    "grade.settle": _("settled on a class after seeing the answer"),
    "grade_batch.cancel": _("cancelled a batch of grades"),
    "grade_batch.finish": _("a batch of grades ended"),
    "grade_batch.start": _("started a batch of grades"),
    "guide.example": _("put a scan into the guide of a project"),
    "guide.remove": _("took a scan out of the guide of a project"),
    "guide.write": _("wrote the guide of a project"),
    "import.finish": _("an import ended"),
    "import.start": _("started an import"),
    "label.create": _("labelled a scan"),
    "label.undo": _("took back a label of their own"),
    "label.withdraw": _("withdrew a label"),
    "list.download": _("downloaded a list"),
    "login": _("logged in"),
    "logout": _("logged out"),
    "member.add": _("added a member"),
    "member.remove": _("removed a member"),
    "model.deploy": _("deployed a version"),
    "model.export": _("exported a version"),
    "model.register": _("a version was registered"),
    "model.rollback": _("rolled back to a version"),
    "patient.erase": _("erased a patient"),
    "patient.merge": _("merged two patients"),
    "patient.reidentify": _("looked up a patient"),
    "patient.search": _("searched for a patient"),
    "permission.grant": _("gave a right"),
    "permission.revoke": _("took a right away"),
    "project.create": _("made a project"),
    "project.update": _("changed a project"),
    "queue.claim": _("took a scan from the queue"),
    "reads.adjudicate": _("decided between readers"),
    "reads.agree": _("the readers of a scan agreed"),
    "reads.withdraw": _("withdrew what readers said"),
    "referral.claim": _("took a referred scan"),
    "referral.read": _("read a referred scan"),
    "refused": _("was refused something"),
    "review.create": _("reviewed a label"),
    "run.cancel": _("cancelled a training"),
    "run.finish": _("a training ended"),
    "run.start": _("started a training"),
    "scan.choose_frames": _("chose frames of a scan"),
    "scan.delete": _("erased a scan"),
    "scan.download": _("downloaded a scan"),
    "scan.gold": _("chose a scan to measure readers by"),
    "scan.open": _("opened a scan"),
    "scan.release": _("released a held scan"),
    "scan.studies": _("looked for scans of studies"),
    "scan.tag": _("tagged a scan"),
    "scan.update": _("changed what is known of a scan"),
    "scan.upload": _("uploaded a scan"),
    "snapshot.create": _("froze a data set"),
    "snapshot.export": _("exported a data set"),
    "tag.delete": _("deleted a tag"),
    "tag.rename": _("renamed a tag"),
    "token.create": _("made a service token"),
    "token.revoke": _("ended a service token"),
    "upload.give_up": _("gave up an upload"),
    "upload.start": _("began an upload"),
    "user.create": _("made an account"),
    "user.invite": _("invited somebody"),
    "user.join": _("accepted an invitation"),
    "user.log_out": _("ended all log-ins of an account"),
    "user.uninvite": _("took back an invitation"),
    "user.unlock": _("unlocked an account"),
    "user.update": _("changed an account"),
    "watch.request": _("asked for a look at a version"),
}


def _number(key: int) -> str:
    return f"#{key}"


# Objects with a page of their own: how one is called, and the name of the page's address.
_PAGES: Final[dict[str, tuple[Callable[[int], str], str]]] = {
    "image": (scan_code, "scan"),
    "snapshot": (lambda key: f"dataset{key:03d}", "dataset"),
    "modelversion": (lambda key: f"model{key:03d}", "model"),
    "trainingrun": (lambda key: f"training{key:03d}", "run"),
    "import": (_number, "import"),
    "export": (_number, "export"),
    "grade": (_number, "grade_detail"),
    "project": (_number, "project"),
    "user": (_number, "user"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """`object` and `url`: what it was done to, where that has a page."""

    at: datetime
    words: str
    object: str
    url: str


def deeds(events: Iterable[AuditEvent]) -> list[Deed]:
    return [_deed(event) for event in events]


def _deed(event: AuditEvent) -> Deed:
    words = str(WORDS.get(event.action, event.action))
    named = _PAGES.get(event.object_type)
    if named is None or not event.object_id.isdecimal():
        return Deed(event.at, words, "", "")
    code, page = named
    key = int(event.object_id)
    return Deed(event.at, words, code(key), reverse(page, args=[key]))
