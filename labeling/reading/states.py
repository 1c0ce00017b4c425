"""The states of a scan, as a table: `states.csv` says where each action leads. Services and their tests read the same rows.

`own` is yes when the actor made the current label and the project has four-eyes; of `adjudicate`, when the actor is one of the
readers who disagree. An action that repeats the current label (`*_same`) exists only for a scan that has one. `agree`: as many
as the project wants have read the scan, none seeing the others, and said the same.
"""

import csv
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from images.models import ApprovalStatus, LabelStatus
from mediscan_site.core.errors import Conflict, DomainError, FourEyes

TABLE = Path(__file__).with_name("states.csv")


class Action(StrEnum):
    LABEL_NEW = "label_new"
    LABEL_SAME = "label_same"
    UNGRADABLE_NEW = "ungradable_new"
    UNGRADABLE_SAME = "ungradable_same"
    APPROVE = "approve"
    REJECT = "reject"
    MODIFY = "modify"
    WITHDRAW = "withdraw"
    AGREE = "agree"
    ADJUDICATE = "adjudicate"


@dataclass(frozen=True)
class State:
    label: LabelStatus
    approval: ApprovalStatus


@dataclass(frozen=True)
class Rule:
    """One row of the table. `to` is None when the action is refused with the code `refusal`."""

    action: Action
    own: str
    start: State
    to: State | None
    refusal: str

    def covers(self, *, own: bool) -> bool:
        return self.own == "any" or self.own == ("yes" if own else "no")


def _state(label: str, approval: str) -> State:
    return State(LabelStatus(label), ApprovalStatus(approval))


@cache
def rules() -> tuple[Rule, ...]:
    with TABLE.open(encoding="utf-8", newline="") as source:
        return tuple(
            Rule(
                action=Action(row["action"]),
                own=row["own"],
                start=_state(row["label_status"], row["approval_status"]),
                to=None if row["refusal"] else _state(row["to_label_status"], row["to_approval_status"]),
                refusal=row["refusal"],
            )
            for row in csv.DictReader(source)
        )


@cache
def _index() -> dict[tuple[Action, State, bool], Rule]:
    return {(rule.action, rule.start, own): rule for rule in rules() for own in (False, True) if rule.covers(own=own)}


_REFUSED = {
    "nothing_to_review": "This scan has no label, so there is nothing to review. Label it first.",
    "nothing_to_adjudicate": "No readers disagree about this scan.",
    "labelled_otherwise": "This scan got its label in another way meanwhile, so it is not read any more.",
}


def _refused(action: Action, code: str) -> DomainError:
    if code != "four_eyes":
        return Conflict(_REFUSED[code], code=code)
    if action == Action.ADJUDICATE:
        return FourEyes("You are one of the readers who disagree: somebody else has to settle it (four-eyes).")
    return FourEyes(
        "You made the current label, or the service token behind it: somebody else has to approve it (four-eyes)."
    )


def next_state(action: Action, start: State, *, own: bool = False) -> State:
    """Where the action leads from `start`. Raises FourEyes, or Conflict with the table's code, where the table refuses."""
    rule = _index()[action, start, own]
    if rule.to is None:
        raise _refused(action, rule.refusal)
    return rule.to
