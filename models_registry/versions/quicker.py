"""A version's graph in 8-bit integers, where the site allows it and the version answers as before."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings

from images.models import Image, Split
from images.renditions import tile
from labeling.models import SnapshotMember
from mediscan_site.core.errors import DomainError
from mediscan_site.core.storage.envelope import DamagedObject
from models_registry.models import ModelVersion

if TYPE_CHECKING:
    from models_registry.inference.predictor import Predictor
    from models_registry.inference.runtimes import Runtime

AUTO, OFF = "auto", "off"
# Training scans that show how large activations get, and validation scans that are compared.
CALIBRATING, COMPARED = 256, 150
Make = Callable[[bytes], "Runtime"]


def int8(
    model: ModelVersion, predictor: "Predictor", exact: bytes, graph_of: Make
) -> tuple[bytes, str] | tuple[None, str]:
    """The graph `exact` in integers and what was seen of it, or None and why it stays as it is (nothing where the site wants none).
    `graph_of` loads a graph."""
    from models_registry.inference.agreement import LEAST_SCANS, compare
    from models_registry.inference.graph import GraphError
    from models_registry.inference.predictor import Predictor
    from models_registry.inference.preprocess import shrink
    from models_registry.inference.quantised import quantise

    if settings.GRAPH_INT8 == OFF:
        return None, ""
    if predictor.needs_views:
        return None, _stays("that is done for versions that look at grey squares only")
    try:
        tiles, labels = _read(model, Split.VAL, COMPARED)
        if len(tiles) < LEAST_SCANS:
            return None, _stays(f"there are {len(tiles)} validation scans to compare, and {LEAST_SCANS} are needed")
        learned, _ = _read(model, Split.TRAIN, CALIBRATING)
        made = quantise(exact, shrink(learned, predictor.manifest.preprocess.size))
        found = compare(
            Predictor(predictor.bundle, runtime=graph_of(exact)),
            Predictor(predictor.bundle, runtime=graph_of(made)),
            tiles,
            labels,
        )
    except GraphError as error:
        return None, _stays(str(error))
    except (DamagedObject, DomainError, ValueError) as error:
        return None, _stays(f"a scan of its data set cannot be read ({type(error).__name__})")
    if found.why_not:
        return None, _stays(found.why_not)
    return made, f"It computes in 8-bit integers, {found.quick:.1f} times as quick where it was made: {found.sentence}."


def _stays(why: str) -> str:
    return f"It does not compute in 8-bit integers: {why}."


def _read(model: ModelVersion, split: Split, most: int) -> tuple[Any, Any]:
    """Tiles and class positions of at most so many scans of one side, spread evenly."""
    rows = SnapshotMember.objects.filter(snapshot=model.snapshot_id, split=split, image__erased_at__isnull=True)
    members = list(rows.order_by("pk").values_list("image", "label_class"))
    chosen = members[:: max(1, -(-len(members) // most))]
    scans = Image.objects.select_related("blob").in_bulk([image for image, _ in chosen])
    place = {entry["id"]: position for position, entry in enumerate(model.classes)}
    tiles = [tile(scans[image]) for image, _ in chosen]
    labels = np.array([place[label] for _, label in chosen], dtype=np.int64)
    return (np.stack(tiles) if tiles else np.zeros((0, 1, 1), np.uint8)), labels
