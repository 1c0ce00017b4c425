"""The answers that an evaluation kept: for figures all of them, for a person those that this person may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import OuterRef, QuerySet

from images.models import Project, Split
from labeling.models import SnapshotMember
from mediscan_site.core.database import there_is
from mediscan_site.core.models import WorkStatus
from models_registry import policies
from models_registry.models import Evaluation, Grade, ModelVersion, ScanAnswer
from models_registry.selectors import IS_COVERED, with_covered


def readings(model: ModelVersion) -> list[Evaluation]:
    """The succeeded evaluations that kept their answers, newest first. Earlier ones did not."""
    rows = Evaluation.objects.filter(
        there_is(ScanAnswer.objects.filter(evaluation=OuterRef("pk"))), model=model, status=WorkStatus.SUCCEEDED
    )
    found = list(rows.select_related("snapshot").order_by("-pk"))
    for row in found:
        row.model = model
    return found


def visible(user: Any) -> QuerySet[ScanAnswer]:
    """Not those of a scan whose grade is still covered from this person: another version's answer would tell it. Nor of one whose
    label is: they stand side by side."""
    rows = policies.visible_answers(user)
    if not Project.objects.filter(reveal_after_read=True).exists():
        return rows
    grades = Grade.objects.filter(image=OuterRef("image"), blind=False)
    return rows.filter(~there_is(with_covered(grades, user).filter(IS_COVERED)))


def shown(user: Any, evaluation: Evaluation) -> QuerySet[ScanAnswer]:
    """With all that a picture of the gallery needs."""
    rows = visible(user).filter(evaluation=evaluation)
    return rows.select_related("image", "truth", "said")


@dataclass(frozen=True)
class Answers:
    """All answers of a reading, in the order of the scans' keys. `shares` (N, K) are in the order of the version's classes, `truth`
    (N,) are places in it, `groups` the patient of each."""

    images: tuple[int, ...]
    truth: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def said(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.shares.argmax(axis=1), dtype=np.int64)

    def of(self, images: Sequence[int], order: Sequence[int]) -> "Answers":
        """Those of some scans, with the classes in another order: `order` has the place here of each place there."""
        where = {image: place for place, image in enumerate(self.images)}
        rows = [where[image] for image in images]
        there = np.argsort(np.array(order))
        return Answers(
            tuple(images), there[self.truth[rows]], self.shares[rows][:, order], tuple(self.groups[row] for row in rows)
        )


def mark(evaluation: Evaluation) -> tuple[int, Any]:
    """By which what was made of it is remembered: in a restored database a key may be given to another."""
    return evaluation.pk, evaluation.finished_at


def count(*evaluations: Evaluation) -> int:
    """How many answers they kept together."""
    return ScanAnswer.objects.filter(evaluation__in=evaluations).count()


def answers(evaluation: Evaluation) -> Answers:
    """In two queries."""
    ids = [entry["id"] for entry in evaluation.model.classes]
    rows = list(
        ScanAnswer.objects.filter(evaluation=evaluation).order_by("image").values_list("image", "truth", "shares")
    )
    members = SnapshotMember.objects.filter(snapshot=evaluation.snapshot_id, split=Split.TEST)
    groups = dict(members.values_list("image", "group"))
    return Answers(
        tuple(image for image, _, _ in rows),
        np.array([ids.index(truth) for _, truth, _ in rows], dtype=np.int64),
        np.array([shares for _, _, shares in rows], dtype=np.float64).reshape(len(rows), len(ids)),
        tuple(groups.get(image) or f"scan {image}" for image, _, _ in rows),
    )
