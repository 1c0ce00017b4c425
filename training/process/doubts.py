"""After a run with folds: which labels of its data set are in doubt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.utils import timezone

from images.models import ApprovalStatus, Image
from labeling.models import KeptLabel, LabelDoubt, LastDoubts
from mediscan_site.core.again import done_again
from training.engine.doubts import find
from training.models import TrainingRun


def write(
    run: TrainingRun,
    images: Sequence[int],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
) -> int:
    """Replace the project's doubts by those of this run; how many there are now.

    `images`: keys of the scans of the out-of-fold `probabilities` (N, K); `labels` (N,) index the snapshot's classes. They are
    training and validation scans only: a doubt about a test label would tell what the model says of the test split, and
    labels mended after that would flatter it. Left out are scans whose approved label has changed since the snapshot was
    frozen, and doubts about a label that somebody has kept.
    """
    classes = [entry["id"] for entry in run.snapshot.classes]
    doubts = [
        LabelDoubt(
            image_id=images[doubt.index],
            project_id=run.project_id,
            given_id=classes[doubt.given],
            suggested_id=classes[doubt.suggested],
            given_probability=doubt.given_probability,
            suggested_probability=doubt.suggested_probability,
            source=run.source,
        )
        for doubt in find(probabilities, labels)
    ]
    return _replace(run, doubts)


@done_again
def _replace(run: TrainingRun, doubts: Sequence[LabelDoubt]) -> int:
    """The moment is noted even when there is no doubt: one that was settled before and is taken back then stays away."""
    at = timezone.now()
    with transaction.atomic():
        LastDoubts.objects.update_or_create(project_id=run.project_id, defaults={"at": at})
        LabelDoubt.objects.filter(project=run.project_id).delete()
        open_ones = _open(run, doubts)
        for doubt in open_ones:
            doubt.created_at = at
        LabelDoubt.objects.bulk_create(open_ones, batch_size=500)
    return len(open_ones)


def _open(run: TrainingRun, found: Sequence[LabelDoubt]) -> list[LabelDoubt]:
    """Those about labels that still stand, and that nobody has settled."""
    approved: dict[str, Any] = {"approval_status": ApprovalStatus.APPROVED, "erased_at__isnull": True}
    current = dict(Image.objects.filter(project=run.project_id, **approved).values_list("pk", "label_class"))
    settled = set(KeptLabel.objects.filter(image__project=run.project_id).values_list("image", "given", "suggested"))
    return [
        doubt
        for doubt in found
        if current.get(doubt.image_id) == doubt.given_id
        and (doubt.image_id, doubt.given_id, doubt.suggested_id) not in settled
    ]
