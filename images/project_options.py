"""What a project may be told: one row for each option, from which forms, the API and the services derive.

The column and its default are the model's. To add an option: CONTRIBUTING.md.
"""

from dataclasses import dataclass
from typing import Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from images.decoding.ages import OLDEST_BELIEVED
from images.models import MOST_FRAMES, MOST_READS, OnAlarm, PictureShape, UnacceptedSite
from mediscan_site.core.errors import Invalid

_LAST: Final = 99
_API_REFERS: Final = "words or DICOM codes; a scan that is said to be of another one is referred; empty: not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`label`, `help`: in the form, where `shown` is its place; `api_help`: in the API's document.

    max_length: of a line. low, high: of a share or of years. deidentifies: an option of the DICOM profile, named as in
    `DeidOptions`. choices: all that a choice may be.
    kind shares: a share of each class, written once the classes stand, by `services.prevalence`. kind years: an age, or none.
    kind number: a whole number from low to high.
    kind meaning: a line that must say something of the fact of a scan that is named in `of` (images.anatomy)."""

    name: str
    kind: Literal["line", "meaning", "flag", "statement", "share", "shares", "years", "choice", "number"]
    label: str | Promise | None = None
    help: str | Promise = ""
    api_help: str | None = None
    max_length: int = 0
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    shown: int = _LAST
    deidentifies: bool = False
    of: str = ""

    @property
    def title(self) -> str:
        """Over its field of the form."""
        return str(self.label or self.name.replace("_", " ").capitalize())


_ROWS: Final = (
    Option(
        name="modality",
        kind="line",
        max_length=40,
        help=_("For example X-ray, fundus photograph, dermoscopy."),
        shown=1,
    ),
    Option(name="four_eyes", kind="flag", label=_("Four eyes: nobody approves their own label"), shown=2),
    Option(
        name="laterality_matters",
        kind="flag",
        label=_("Left and right matter (training never mirrors a scan)"),
        shown=3,
    ),
    Option(
        name="frames_seen",
        kind="number",
        low=1,
        high=MOST_FRAMES,
        label=_("Frames looked at, of a scan of several"),
        help=_(
            "Where nobody has chosen frames. 1: the one that its file names; without one the scan waits for somebody who "
            "chooses. More: so many, spread evenly."
        ),
        api_help="of a scan of several frames, where nobody chose: 1 the one that its file names, more: so many spread evenly",
        shown=3,
    ),
    Option(
        name="orientation_matters",
        kind="flag",
        label=_("Which way up a scan lies matters (training turns a scan by a few degrees at most)"),
        help=_(
            "Untick it only where a scan shows the same whichever way it is turned (cells, tissue, skin): then runs learn from "
            "every angle. On a radiograph that would teach what never occurs."
        ),
        api_help="false: runs learn from scans turned by any angle (cells, tissue, skin)",
        shown=3,
    ),
    Option(
        name="picture_shape",
        kind="choice",
        choices=tuple(PictureShape.values),
        label=_("How a scan that is no square becomes the square that a model is given"),
        help=_(
            "Squashed uses every pixel, and long scans look stouter. With a margin shapes stay true (where round or oval is a "
            "finding), and the margin costs detail. For runs from now on; a version keeps the shape it was trained with."
        ),
        api_help="squash, or letterbox: at its own shape with a margin; for runs from now on",
        shown=3,
    ),
    Option(
        name="reads_wanted",
        kind="number",
        low=1,
        high=MOST_READS,
        label=_("Readers of each scan"),
        help=_(
            "1: one reads, a colleague reviews. More: so many read each scan, none seeing what the others said; where they "
            "disagree somebody else settles it."
        ),
        api_help="how many read each scan without seeing the others; where they disagree it is adjudicated; 1: one and a review",
        shown=2,
    ),
    Option(
        name="read_blind",
        kind="flag",
        label=_("Readers see neither file names nor what others said before they have read"),
        help=_("A file name often is the diagnosis."),
        api_help="desks show neither file names nor earlier opinions",
        shown=2,
    ),
    Option(
        name="reveal_after_read",
        kind="flag",
        label=_("The model's answer appears after the doctor's own"),
        help=_("Both are kept, and how often doctors changed their mind is shown."),
        api_help="a grade's answer stays covered on pages until the doctor has given their own",
        shown=3,
    ),
    Option(
        name="repeats_share",
        kind="share",
        low=0.0,
        high=0.2,
        label=_("Share of scans that a reader is given again, unannounced"),
        help=_("0.05: one of twenty. It measures how far readers agree with themselves; such reads change no label."),
        shown=2,
    ),
    Option(name="intended_use", kind="statement", shown=6),
    # What a scan may be said to be without being referred. What is left out, or what nobody says of a scan, refers nothing.
    Option(
        name="intended_body_part",
        kind="meaning",
        of="body_part",
        max_length=64,
        label=_("Intended body part"),
        help=_(
            "For example chest. A scan that is said to be of another one is referred to a doctor, whatever the model answers."
        ),
        api_help=_API_REFERS,
        shown=7,
    ),
    Option(
        name="intended_view",
        kind="meaning",
        of="view",
        max_length=32,
        label=_("Intended view"),
        help=_("For example frontal, PA, lateral, MLO."),
        api_help=_API_REFERS,
        shown=8,
    ),
    Option(
        name="intended_laterality",
        kind="meaning",
        of="laterality",
        max_length=16,
        label=_("Intended side"),
        help=_("Left or right, where the project is for one side alone."),
        api_help=_API_REFERS,
        shown=9,
    ),
    Option(
        name="intended_age_min",
        kind="years",
        high=OLDEST_BELIEVED,
        label=_("Youngest intended patient (years)"),
        help=_("Whole or part years; leave it empty for no limit."),
        api_help="years; null: no limit",
        shown=10,
    ),
    Option(
        name="intended_age_max",
        kind="years",
        high=OLDEST_BELIEVED,
        label=_("Oldest intended patient (years)"),
        help=_("5: children up to their sixth birthday."),
        api_help="years, that year included; null: no limit",
        shown=11,
    ),
    Option(name="limitations", kind="statement", shown=12),
    Option(
        name="coverage_target",
        kind="share",
        low=0.05,
        label=_("Share of scans the model should answer"),
        help=_("0.9: the model answers nine scans of ten and refers the least certain one to a doctor."),
        shown=4,
    ),
    # Below a half a prediction set would leave the true class out more often than not; above 0.99 it takes 100 scans of a
    # class.
    Option(
        name="conformal_target",
        kind="share",
        low=0.5,
        high=0.99,
        label=_("Share of scans whose prediction set should hold the true class"),
        help=_("0.9: nine sets of ten hold the true class, as measured on calibration scans."),
        shown=5,
    ),
    Option(name="expected_prevalence", kind="shares"),
    Option(
        name="unaccepted_site",
        kind="choice",
        choices=tuple(UnacceptedSite.values),
        label=_("Scans of a place where the model was not tested"),
        help=_(
            "A place: an institution or a device that the model has not learned from. An acceptance test there settles it."
        ),
        shown=20,
    ),
    Option(
        name="on_alarm",
        kind="choice",
        choices=tuple(OnAlarm.values),
        label=_("When the scans of a place no longer look like those the model was validated on"),
        help=_("The watching raises an alarm; it stays open until somebody who may deploy has decided."),
        shown=21,
    ),
    Option(
        name="blind_read_share",
        kind="share",
        low=0.0,
        label=_("Share of answers that a doctor reads again without seeing them"),
        help=_(
            "0.05: one answer of twenty, drawn by chance. Only these reads count for the live accuracy; 0 measures nothing."
        ),
        shown=22,
    ),
    Option(
        name="keep_patient_characteristics",
        kind="flag",
        label=_("DICOM: keep sex, age, size and weight"),
        api_help="sex, age, size, weight",
        shown=13,
        deidentifies=True,
    ),
    Option(
        name="keep_institution",
        kind="flag",
        label=_("DICOM: keep the institution in the stored file"),
        shown=14,
        deidentifies=True,
    ),
    Option(
        name="shift_dates",
        kind="flag",
        label=_("DICOM: move each patient's dates by the same number of days"),
        help=_("Without this dates are removed. The three options hold for files that come in from now on."),
        api_help="move a patient's dates; false removes them",
        shown=15,
        deidentifies=True,
    ),
    Option(
        name="grade_on_arrival",
        kind="flag",
        label=_("Grade each new scan when it comes in"),
        help=_(
            "By the deployed model, in the background, asked for by whoever uploads; without a deployed model nothing happens."
        ),
        api_help="the deployed model grades each new scan, asked for by whoever uploads it",
        shown=11,
    ),
)

OPTIONS: Final = {row.name: row for row in _ROWS}
# Each has a value of its own, that can be given when the project is made.
PLAIN: Final = {row.name: row for row in _ROWS if row.kind != "shares"}
IN_THE_FORM: Final = tuple(sorted(PLAIN.values(), key=lambda row: row.shown))
DEIDENTIFYING: Final = tuple(row.name for row in _ROWS if row.deidentifies)


def require_ages_in_order(low: float | None, high: float | None) -> None:
    """Invalid where nobody could be old enough and young enough."""
    if low is not None and high is not None and low > high:
        raise Invalid("The youngest intended patient must not be older than the oldest.", attr="intended_age_min")
