"""What people are told of: one row for each kind, from which pages, mails, the API and docs/integrating.md derive.

A sentence is made of codes, numbers, and names of projects and accounts; never of what a file or a patient is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`sentence` takes the facts of a message. `bad`: something went wrong; `waits`: work that waits for whoever is told;
    `mails_itself`: what tells of it has a mail of its own."""

    sentence: Any
    icon: str = "check"
    bad: bool = False
    waits: bool = False
    mails_itself: bool = False


KINDS: Final[dict[str, Kind]] = {
    "review_waits": Kind(
        sentence=ngettext_lazy(
            "%(number)d label waits for your review in %(project)s.",
            "%(number)d labels wait for your review in %(project)s.",
            "number",
        ),
        icon="review",
        waits=True,
    ),
    "referral_waits": Kind(
        sentence=ngettext_lazy(
            "%(number)d scan that the model gave back waits to be read in %(project)s.",
            "%(number)d scans that the model gave back wait to be read in %(project)s.",
            "number",
        ),
        icon="review",
        waits=True,
    ),
    "adjudication_waits": Kind(
        sentence=ngettext_lazy(
            "Readers disagree about %(number)d scan in %(project)s: it waits for you to settle it.",
            "Readers disagree about %(number)d scans in %(project)s: they wait for you to settle them.",
            "number",
        ),
        icon="review",
        waits=True,
    ),
    "run_ended": Kind(sentence=_("%(code)s in %(project)s has ended.")),
    "run_failed": Kind(sentence=_("%(code)s in %(project)s failed. Its page says why."), icon="warning", bad=True),
    "import_ended": Kind(sentence=_("Import %(number)d into %(project)s has ended.")),
    "import_failed": Kind(
        sentence=_("Import %(number)d into %(project)s failed. Its page says why."), icon="warning", bad=True
    ),
    "export_ended": Kind(sentence=_("Export %(number)d of %(project)s is ready.")),
    "export_failed": Kind(
        sentence=_("Export %(number)d of %(project)s failed. Its page says why."), icon="warning", bad=True
    ),
    "batch_ended": Kind(sentence=_("Grade batch %(number)d in %(project)s has ended.")),
    "batch_failed": Kind(
        sentence=_("Grade batch %(number)d in %(project)s failed. Its page says why."), icon="warning", bad=True
    ),
    "evaluation_ended": Kind(sentence=_("%(code)s in %(project)s has been evaluated.")),
    "evaluation_failed": Kind(
        sentence=_("The evaluation of %(code)s in %(project)s failed. Its page says why."), icon="warning", bad=True
    ),
    "alarm_raised": Kind(
        sentence=_("The watching of %(code)s in %(project)s has raised an alarm. Look at it and decide."),
        icon="warning",
        bad=True,
        mails_itself=True,
    ),
    "version_deployed": Kind(sentence=_("%(code)s now answers in %(project)s; %(by)s has deployed it.")),
    "label_rejected": Kind(sentence=_("%(by)s has rejected your label of %(code)s in %(project)s."), icon="warning"),
    "invitation_accepted": Kind(sentence=_("%(name)s has accepted your invitation.")),
    "backup_failed": Kind(sentence=_("A backup failed. The dashboard says what to do."), icon="warning", bad=True),
    "drill_failed": Kind(
        sentence=_("A rehearsal of a restore failed. The dashboard says what to do."), icon="warning", bad=True
    ),
}


def sentence_of(kind: str, facts: Mapping[str, Any]) -> str:
    """In the current language. A kind that an older version wrote, or that lacks a fact, is named as it is."""
    known = KINDS.get(kind)
    try:
        return str(known.sentence % dict(facts)) if known else kind
    except (KeyError, TypeError, ValueError):
        return kind
