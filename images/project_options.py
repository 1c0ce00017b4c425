"""What a project may be told: one row for each option, from which forms, the API and the services derive.

The column and its default are the model's. To add an option: CONTRIBUTING.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from images.models import RESEARCH_USE, OnAlarm, UnacceptedSite
from mediscan_site.core import text
from mediscan_site.core.errors import Invalid

_LAST: Final = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`label`, `help`: in the form, where `shown` is its place; `api_help`: in the API's document.

    max_length: of a line. low, high: of a share. deidentifies: an option of the DICOM profile, named as in `DeidOptions`.
    choices: all that a choice may be. kind shares: a share of each class, written once the classes stand, by
    `services.prevalence`."""

    name: str
    kind: Literal["line", "flag", "statement", "share", "shares", "choice"]
    label: str | None = None
    help: str = ""
    api_help: str | None = None
    max_length: int = 0
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    shown: int = _LAST
    deidentifies: bool = False


_ROWS: Final = (
    Option(
        name="modality",
        kind="line",
        max_length=40,
        help="For example X-ray, fundus photograph, dermoscopy.",
        shown=1,
    ),
    Option(name="four_eyes", kind="flag", label="Four eyes: nobody approves their own label", shown=2),
    Option(
        name="laterality_matters",
        kind="flag",
        label="Left and right matter (training never mirrors a scan)",
        shown=3,
    ),
    Option(name="intended_use", kind="statement", shown=6),
    Option(name="limitations", kind="statement", shown=7),
    Option(
        name="coverage_target",
        kind="share",
        low=0.05,
        label="Share of scans the model should answer",
        help="0.9: the model answers nine scans of ten and refers the least certain one to a doctor.",
        shown=4,
    ),
    # Below a half a prediction set would leave the true class out more often than not; above 0.99 it takes 100 scans of a
    # class.
    Option(
        name="conformal_target",
        kind="share",
        low=0.5,
        high=0.99,
        label="Share of scans whose prediction set should hold the true class",
        help="0.9: nine sets of ten hold the true class, as measured on calibration scans.",
        shown=5,
    ),
    Option(name="expected_prevalence", kind="shares"),
    Option(
        name="unaccepted_site",
        kind="choice",
        choices=tuple(UnacceptedSite.values),
        label="Scans of a place where the model was not tested",
        help="A place: an institution or a device that the model has not learned from. An acceptance test there settles it.",
        shown=20,
    ),
    Option(
        name="on_alarm",
        kind="choice",
        choices=tuple(OnAlarm.values),
        label="When the scans of a place no longer look like those the model was validated on",
        help="The watching raises an alarm; it stays open until somebody who may deploy has decided.",
        shown=21,
    ),
    Option(
        name="blind_read_share",
        kind="share",
        low=0.0,
        label="Share of answers that a doctor reads again without seeing them",
        help="0.05: one answer of twenty, drawn by chance. Only these reads count for the live accuracy; 0 measures nothing.",
        shown=22,
    ),
    Option(
        name="keep_patient_characteristics",
        kind="flag",
        label="DICOM: keep sex, age, size and weight",
        api_help="sex, age, size, weight",
        shown=8,
        deidentifies=True,
    ),
    Option(
        name="keep_institution",
        kind="flag",
        label="DICOM: keep the institution in the stored file",
        shown=9,
        deidentifies=True,
    ),
    Option(
        name="shift_dates",
        kind="flag",
        label="DICOM: move each patient's dates by the same number of days",
        help="Without this dates are removed. The three options hold for files that come in from now on.",
        api_help="move a patient's dates; false removes them",
        shown=10,
        deidentifies=True,
    ),
)

OPTIONS: Final = {row.name: row for row in _ROWS}
# Each has a value of its own, that can be given when the project is made.
PLAIN: Final = {row.name: row for row in _ROWS if row.kind != "shares"}
IN_THE_FORM: Final = tuple(sorted(PLAIN.values(), key=lambda row: row.shown))
DEIDENTIFYING: Final = tuple(row.name for row in _ROWS if row.deidentifies)


def parse(name: str, value: Any) -> Any:
    """One checked value of PLAIN. Invalid names the option."""
    option = PLAIN[name]
    return _PARSERS[option.kind](value, option)


def _line(value: Any, option: Option) -> str:
    return text.line(value, attr=option.name, max_length=option.max_length)


def _flag(value: Any, option: Option) -> bool:
    return text.flag(value, attr=option.name)


def _statement(value: Any, option: Option) -> str:
    """Intended use and limitations are never empty: silence would not say that this is for research only."""
    return text.paragraphs(value, attr=option.name) or RESEARCH_USE


def _choice(value: Any, option: Option) -> str:
    chosen = text.choice(value, attr=option.name, choices=option.choices)
    if chosen is None:
        raise Invalid(f"{option.name} must be one of: {', '.join(option.choices)}.", attr=option.name, code="required")
    return chosen


def _share(value: Any, option: Option) -> float:
    share = text.number(value)
    if not option.low <= share <= option.high:
        raise Invalid(f"{option.name} must be a number from {option.low:g} to {option.high:g}.", attr=option.name)
    return share


_PARSERS: Final[dict[str, Callable[[Any, Option], Any]]] = {
    "line": _line,
    "flag": _flag,
    "statement": _statement,
    "share": _share,
    "choice": _choice,
}
