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

from images.models import Image, Split
from labeling.models import Snapshot, SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.evaluations.subgroups import columns
from models_registry.models import ModelVersion
from models_registry.selectors import deployed_model
from models_registry.versions import reading, serving
from models_registry.versions.fairness import require_fair
from models_registry.versions.reading import Input

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor

    Floats = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

CHUNK: Final = 32
# What a predictor is fed of a scan.
Read = Callable[["Predictor", Image], Input]


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


@dataclass(frozen=True)
class Rival:
    """The deployed version, or the `reason` why nothing can be compared with it. `order`: the position of each class in it."""

    model: ModelVersion | None = None
    predictor: "Predictor | None" = None
    order: Sequence[int] = ()
    reason: str = ""
    shares: "list[Floats]" = field(default_factory=list)


def build(
    snapshot: Snapshot,
    predictor: "Predictor",
    classes: Sequence[Mapping[str, Any]],
    *,
    model: ModelVersion | None = None,
    read: Read = reading.one,
    on_read: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Read the test split of `snapshot` once and report on it: figures, curves, slices, and the comparison with what serves.

    `classes`: {"id", "name"} in the predictor's order. `model`: the version the predictor is of, None while it is not
    registered yet. `on_read` is called with the number of answered scans and the total, and may raise to stop. Raises
    NothingToRead, and what `read` raises."""
    scans = _scans(snapshot)
    rival = _rival(snapshot, classes, model)
    shares = _answers(scans, predictor, rival, read, on_read)
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
) -> "Floats":
    """Probabilities (N, K); those of the rival go to its `shares`. Only a few scans are in memory at a time."""
    shares, total = [], len(scans.members)
    for start in range(0, total, CHUNK):
        images = [member.image for member in scans.members[start : start + CHUNK]]
        reading.fetch([one for one in (predictor, rival.predictor) if one is not None], images)
        given = [read(predictor, image) for image in images]
        shares.append(predictor.predict(*reading.stacked(given)).probabilities)
        if rival.predictor is not None:
            if rival.predictor.needs_views:
                given = [read(rival.predictor, image) for image in images]
            rival.shares.append(rival.predictor.predict(*reading.stacked(given)).probabilities[:, rival.order])
        on_read(min(start + CHUNK, total), total)
    return np.concatenate(shares)


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
