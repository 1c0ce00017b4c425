"""The report of one reading of a test split: what an evaluation and a training run both record, made in one place.

The deployed version answers the same scans in the same pass, so that the two can be compared pairwise. That is part of this
one reading and counted with it: nobody sees its answers except through the comparison.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from django.db import OperationalError

from images.models import Split
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.evaluations.subgroups import columns
from models_registry.models import ModelVersion
from models_registry.selectors import deployed_model
from models_registry.versions import framing, reading, serving
from models_registry.versions.answers import Answer
from models_registry.versions.fairness import require_fair
from models_registry.versions.reading import Input, Read
from models_registry.versions.report import INSTITUTIONS

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictions, Predictor

    Floats = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

CHUNK: Final = 32


def _nobody(_: "Predictions") -> None:
    """What the version says is reported, and not kept."""


class NothingToRead(Exception):
    """The test split has no scan left."""


@dataclass(frozen=True)
class ReadScans:
    """The members of a test split that still exist, in the snapshot's order; `erased` counts those that do not."""

    snapshot: Snapshot
    members: Sequence[SnapshotMember]
    erased: int

    @property
    def groups(self) -> list[str]:
        return [member.group or f"scan {member.image_id}" for member in self.members]


@dataclass
class Rival:
    """The deployed version, or the `reason` why nothing can be compared with it. `order`: the position of each class in it."""

    model: ModelVersion | None = None
    predictor: "Predictor | None" = None
    order: Sequence[int] = ()
    reason: str = ""
    shares: "list[Floats]" = field(default_factory=list)

    def answer(self, part: Sequence[SnapshotMember], given: Sequence[Input], read: Read) -> None:
        """`given`: what the scans of one frame are for the version that is measured. One that this one cannot read ends the
        comparison, and nothing else."""
        if self.predictor is None:
            return
        try:
            if self.predictor.needs_views:
                given = [read(self.predictor, member.image, 0) for member in part if not member.frames]
            self.shares.append(_shares(self.predictor, part, given, read)[:, self.order])
        except OperationalError:
            raise
        except Exception as error:
            log.warning("%s is compared with nothing", self.model, exc_info=error)
            why = getattr(error, "detail", str(error))
            self.reason = f"The deployed version {self.model and self.model.code} could not answer every scan: {why}"
            self.model = self.predictor = None


def build(
    snapshot: Snapshot,
    predictor: "Predictor",
    classes: Sequence[Mapping[str, Any]],
    *,
    model: ModelVersion | None = None,
    read: Read = reading.one,
    on_read: Callable[[int, int], None] = lambda done, total: None,
    on_said: Callable[["Predictions"], None] = _nobody,
    answers: list[Answer] | None = None,
) -> dict[str, Any]:
    """Read the test split of `snapshot` once and report on it: figures, curves, slices, and the comparison with what serves.

    `classes`: {"id", "name"} in the predictor's order. `model`: the version the predictor is of, None while it is not
    registered yet. `on_read` is called with the number of answered scans and the total, and may raise to stop; `on_said` with
    what the predictor says of some or one of the scans. What it said of each is added to `answers`, for whoever stores the report
    to keep. Raises NothingToRead, and what `read` raises."""
    scans = _scans(snapshot)
    rival = _rival(snapshot, classes, model)
    shares = _answers(scans, predictor, rival, read, on_read, on_said)
    if answers is not None:
        answers += [
            Answer(member.image_id, member.label_class_id, tuple(map(float, said)))
            for member, said in zip(scans.members, shares, strict=True)
        ]
    return _report(scans, shares, rival, classes, predictor.manifest.referral.threshold)


def _scans(snapshot: Snapshot) -> ReadScans:
    test = SnapshotMember.objects.filter(snapshot=snapshot, split=Split.TEST)
    present = test.filter(image__erased_at__isnull=True)
    members = list(present.select_related("image", "image__blob", "image__metadata").order_by("pk"))
    if not members:
        raise NothingToRead("Every scan of this test split was erased. Freeze a new data set and use that one.")
    return ReadScans(snapshot, members, test.count() - len(members))


def _rival(snapshot: Snapshot, classes: Sequence[Mapping[str, Any]], model: ModelVersion | None) -> Rival:
    deployed = deployed_model(snapshot.project)
    if deployed is None:
        return Rival(reason="No version was deployed when this was measured.")
    if model is not None and deployed.pk == model.pk:
        return Rival(reason="It is the deployed version itself.")
    known = [entry["id"] for entry in deployed.classes]
    if sorted(known) != sorted(entry["id"] for entry in classes):
        return Rival(reason=f"The deployed version {deployed.code} does not know the same classes.")
    try:
        require_fair(deployed, snapshot)
        predictor = serving.predictor(deployed)
    except DomainError as error:
        return Rival(reason=error.detail)
    except (serving.BundleDamaged, DamagedObject, OSError) as error:
        log.warning("Nothing is compared with %s: %s", deployed.code, error)
        return Rival(reason=f"The stored bundle of the deployed version {deployed.code} cannot be read.")
    return Rival(deployed, predictor, [known.index(entry["id"]) for entry in classes])


def _answers(
    scans: ReadScans,
    predictor: "Predictor",
    rival: Rival,
    read: Read,
    on_read: Callable[[int, int], None],
    on_said: Callable[["Predictions"], None],
) -> "Floats":
    """Probabilities (N, K); those of the rival go to its `shares`. Only a few scans are in memory at a time."""
    shares, total = [], len(scans.members)
    for start in range(0, total, CHUNK):
        part = scans.members[start : start + CHUNK]
        single = [member.image for member in part if not member.frames]
        reading.fetch([one for one in (predictor, rival.predictor) if one is not None], [row.image for row in part])
        given = [read(predictor, image, 0) for image in single]
        shares.append(_shares(predictor, part, given, read, on_said))
        rival.answer(part, given, read)
        on_read(min(start + CHUNK, total), total)
    return np.concatenate(shares)


def _shares(
    predictor: "Predictor",
    members: Sequence[SnapshotMember],
    given: Sequence[Input],
    read: Read,
    on_said: Callable[["Predictions"], None] = _nobody,
) -> "Floats":
    """Probabilities (N, K) of scans; `given`: of those of one frame. The others answer from the frames that were frozen."""
    together = predictor.predict(*reading.stacked(given)) if given else None
    said = iter(together.each() if together else ())
    found = [
        framing.answer(predictor, member.image, member.frames, read).said if member.frames else next(said)
        for member in members
    ]
    for one in found:
        on_said(one)
    return np.concatenate([one.probabilities for one in found])


def _report(
    scans: ReadScans, shares: "Floats", rival: Rival, classes: Sequence[Mapping[str, Any]], threshold: float
) -> dict[str, Any]:
    from models_registry.statistics.metrics import evaluation_report
    from models_registry.statistics.slices import slice_report

    ids, names = [entry["id"] for entry in classes], [entry["name"] for entry in classes]
    labels = [ids.index(member.label_class_id) for member in scans.members]
    parts = columns([member.image for member in scans.members])
    return {
        **evaluation_report(labels, shares, scans.groups, names, refer_threshold=threshold),
        "erased": scans.erased,
        INSTITUTIONS: len(set(parts["institution"]) - {"", None}),
        "slices": slice_report(labels, shares, scans.groups, names, parts),
        "undivided": [name for name, values in parts.items() if len(set(values)) == 1],
        "comparison": _comparison(labels, shares, rival, scans.groups, names),
    }


def _comparison(
    labels: Sequence[int], shares: "Floats", rival: Rival, groups: Sequence[str], names: Sequence[str]
) -> dict[str, Any]:
    from models_registry.statistics.comparison import compare, unavailable

    if rival.model is None:
        return unavailable(rival.reason)
    comparison = compare(labels, shares, np.concatenate(rival.shares), groups, names)
    return {**comparison, "deployed": rival.model.code, "deployed_version": rival.model.version}
