"""What has to be said beside an answer: that the model knew the picture, and what became of its classes."""

from typing import Final

from django.utils.timezone import localtime

from images.models import Split
from models_registry.models import Grade
from models_registry.versions import conditions
from models_registry.versions.class_changes import since_training

_SEEN: Final = {
    Split.TRAIN: "The model was trained on this picture: its answer proves nothing about how well it reads new scans.",
    Split.VAL: "This picture is in the validation split by which the model was chosen and calibrated: its answer proves "
    "little about how well it reads new scans.",
    Split.TEST: "This picture is in the test split of the model's own data set.",
}


def remarks(grade: Grade) -> list[str]:
    """Sentences for people, beside the reasons of a referral; none for a scan that is new to a model whose classes still hold."""
    seen = [_SEEN[Split(grade.seen_in)]] if grade.seen_in else []
    return [*seen, *_said_before(grade), *conditions.warnings(grade), *since_training(grade.model, grade.project).gaps]


def _said_before(grade: Grade) -> list[str]:
    """Of a grade that `selectors.grades` gives."""
    if grade.graded_before is None or grade.graded_before_at is None:
        return []
    when = f"{localtime(grade.graded_before_at):%Y-%m-%d %H:%M}"
    return [
        f"The same version was asked about this scan before (grade {grade.graded_before}, {when}): the same answer again is no "
        "second opinion."
    ]
