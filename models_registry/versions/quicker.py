"""A version's graph in 8-bit integers, where the site allows it and the version answers as before."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.conf import settings

from images.models import Image, Split
from labeling.models import SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.models import ModelVersion
from models_registry.versions import reading

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor
    from models_registry.inference.runtimes import Runtime

AUTO, OFF = "auto", "off"
# Training scans that show how large activations get, and validation scans that are compared.
CALIBRATING, COMPARED = 64, 100
Make = Callable[[bytes], "Runtime"]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """`data`: the graph in integers, None where the exact one serves. `note`: what was seen, or why not; empty where the site wants
    none. `difference`: the largest of its logits from PyTorch's on the reference pictures."""

    data: bytes | None
    note: str = ""
    difference: float = 0.0


def int8(model: ModelVersion, predictor: "Predictor", exact: bytes, graph_of: Make) -> Outcome:
    """The graph `exact` in integers, or why it stays as it is: whatever goes wrong, that one serves. `graph_of` loads a graph."""
    from models_registry.inference.agreement import LEAST_SCANS, compare, most_scans
    from models_registry.inference.graph import GraphError, parity
    from models_registry.inference.pictures import reference_pixels
    from models_registry.inference.predictor import Predictor
    from models_registry.inference.quantised import quantise

    if settings.GRAPH_INT8 == OFF:
        return Outcome(None)
    preprocess = predictor.manifest.preprocess
    try:
        compared = _read(model, predictor, Split.VAL, min(COMPARED, most_scans(preprocess)))
        if len(compared.labels) < LEAST_SCANS:
            return _stays(f"there are {len(compared.labels)} validation scans to compare, and {LEAST_SCANS} are needed")
        learned = _read(model, predictor, Split.TRAIN, min(CALIBRATING, most_scans(preprocess)))
        made = quantise(exact, preprocess.sized(learned.seen))
        runtime = graph_of(made)
        found = compare(
            Predictor(predictor.bundle, runtime=graph_of(exact)),
            Predictor(predictor.bundle, runtime=runtime),
            compared.tiles,
            compared.labels,
            compared.pixels,
        )
        difference = parity(runtime, predictor.eager, reference_pixels(preprocess)).logits
    except GraphError as error:
        return _stays(str(error))
    except (DamagedObject, DomainError) as error:
        return _stays(f"a scan of its data set cannot be read ({type(error).__name__})")
    except Exception as error:
        log.exception("%s stays in single precision", model.code)
        return _stays(f"the two could not be compared ({type(error).__name__})")
    if found.why_not:
        return _stays(found.why_not)
    told = f"It computes in 8-bit integers, {found.quick:.1f} times as quick where it was made: {found.sentence}."
    return Outcome(made, told, difference)


def _stays(why: str) -> Outcome:
    return Outcome(None, f"It does not compute in 8-bit integers: {why}.")


@dataclass(frozen=True)
class _Side:
    """Scans as `Predictor.predict` takes them, and the positions of their classes."""

    tiles: reading.Pixels
    pixels: reading.Pixels | None
    labels: npt.NDArray[np.int64]

    @property
    def seen(self) -> reading.Pixels:
        return self.tiles if self.pixels is None else self.pixels


def _read(model: ModelVersion, predictor: "Predictor", split: Split, most: int) -> _Side:
    """At most so many scans of one side, spread evenly. Raises what `reading.one` raises."""
    from models_registry.inference.preprocess import blank_inputs

    rows = SnapshotMember.objects.filter(snapshot=model.snapshot_id, split=split, image__erased_at__isnull=True)
    members = list(rows.order_by("pk").values_list("image", "label_class"))
    chosen = members[:: max(1, -(-len(members) // most))]
    scans = Image.objects.select_related("blob").in_bulk([image for image, _ in chosen])
    place = {entry["id"]: position for position, entry in enumerate(model.classes)}
    labels = np.array([place[label] for _, label in chosen], dtype=np.int64)
    if not chosen:
        return _Side(*blank_inputs(predictor.manifest.preprocess, 0), labels)
    images = [scans[image] for image, _ in chosen]
    reading.fetch([predictor], images)
    return _Side(*reading.stacked([reading.one(predictor, image) for image in images]), labels)
