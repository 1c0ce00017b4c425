"""Which options of a project stand together in its forms, and which are folded away. What is named nowhere comes last."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

OPEN, FOLDED = True, False
# The shares of the classes, of which each is a field.
SHARES: Final = "share_"
SECTIONS: Final[tuple[tuple[Promise, bool, tuple[str, ...]], ...]] = (
    (_("Project"), OPEN, ("name", "classes", "modality", "intended_use", "limitations")),
    (
        _("How labels are given"),
        OPEN,
        ("four_eyes", "reads_wanted", "read_blind", "reveal_after_read", "repeats_share"),
    ),
    (_("What the model is to answer"), OPEN, ("grade_on_arrival", "coverage_target", "conformal_target", SHARES)),
    (
        _("Which scans it is meant for"),
        FOLDED,
        ("intended_body_part", "intended_view", "intended_laterality", "intended_age_min", "intended_age_max"),
    ),
    (
        _("How pictures are given to a model"),
        FOLDED,
        ("laterality_matters", "orientation_matters", "picture_shape", "frames_seen"),
    ),
    (_("Watching a deployed model"), FOLDED, ("unaccepted_site", "on_alarm", "blind_read_share")),
    (
        _("What is kept of DICOM files"),
        FOLDED,
        ("keep_patient_characteristics", "keep_institution", "shift_dates"),
    ),
)
MORE: Final = _("More")


@dataclass(frozen=True)
class Section:
    title: Promise
    fields: list[Any]
    is_open: bool

    def without(self, names: Collection[str]) -> "Section":
        return Section(self.title, [field for field in self.fields if field.name not in names], self.is_open)


def sections(form: Any) -> Iterator[Section]:
    """The form's fields in sections, hidden ones left out; one with an error is open."""
    left = {field.name: field for field in form.visible_fields()}
    for title, is_open, names in SECTIONS:
        fields = [left.pop(name) for wanted in names for name in _named(wanted, left)]
        if fields:
            yield Section(title, fields, is_open or any(field.errors for field in fields))
    if left:
        yield Section(MORE, list(left.values()), is_open=any(field.errors for field in left.values()))


def _named(wanted: str, fields: dict[str, Any]) -> list[str]:
    return [name for name in fields if name == wanted or (wanted == SHARES and name.startswith(SHARES))]
