"""What a scan is said to be against what its project is for. What either does not say contradicts nothing."""

from collections.abc import Iterator
from typing import Final

from images import anatomy
from images.models import Image, Metadata, Project
from models_registry.inference.refer_reasons import ReferReason

# Facts of a scan that are compared by meaning, with the reason for which one that contradicts is referred.
_BY_MEANING: Final = {
    "body_part": ReferReason.OTHER_BODY_PART,
    "view": ReferReason.OTHER_VIEW,
    "laterality": ReferReason.OTHER_LATERALITY,
}


def contradictions(project: Project, image: Image) -> tuple[ReferReason, ...]:
    """In the order of `ReferReason`; one query where the scan came without its metadata."""
    known: Metadata | None = getattr(image, "metadata", None)
    return tuple(_contradictions(project, known)) if known else ()


def _contradictions(project: Project, known: Metadata) -> Iterator[ReferReason]:
    for name, reason in _BY_MEANING.items():
        if anatomy.contradict(name, getattr(project, f"intended_{name}"), getattr(known, name)):
            yield reason
    if known.age is not None and not _within(known.age, project.intended_age_min, project.intended_age_max):
        yield ReferReason.OTHER_AGE


def _within(age: float, low: float | None, high: float | None) -> bool:
    """A child of five years and eleven months is five years old."""
    return (low is None or age >= low) and (high is None or age < high + 1)
