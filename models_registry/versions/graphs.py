"""The exported graph of a version: made once, compared with PyTorch, signed, and loaded only as it was signed.

A version without one is served by PyTorch, more slowly and with the same answers. Why it has none stands in its row, on its
page and in the log. PyTorch and ONNX Runtime are imported when a graph is made or loaded."""

import logging
from typing import TYPE_CHECKING, BinaryIO, Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from images.policies import require
from mediscan_site.core import work
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import Conflict
from mediscan_site.core.models import Blob, User
from mediscan_site.core.storage import blobs, damage, ring
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.opening import open_audited
from models_registry.models import DeployedModel, ModelGraph, ModelVersion
from models_registry.versions import quicker

if TYPE_CHECKING:
    from models_registry.inference.graph import Graph
    from models_registry.inference.manifest import Manifest
    from models_registry.inference.predictor import Predictor

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/octet-stream"
# The stored object says how its graph computes.
INT8_TYPE: Final = f"{CONTENT_TYPE}; precision=int8"
FP32, INT8 = "fp32", "int8"
# The task that makes a graph. By name: the task's module is above this one.
MAKE: Final = "models_registry.graph"


def make(model: ModelVersion, predictor: "Predictor", card: str, *, quick: bool) -> ModelGraph:
    """Export, compare with PyTorch on the reference pictures, and keep the graph; or keep the note why there is none. `card` goes
    into the file. `quick`: in integers where these answer as well. Made again for a version that has one, it changes nothing."""
    from models_registry.inference import graph
    from models_registry.inference.graph import GraphError
    from models_registry.inference.pictures import reference_pixels

    known = ModelGraph.objects.filter(model=model, blob__isnull=False).first()
    if known:
        return known
    try:
        data = graph.export(predictor.networks, predictor.manifest, model.bundle_sha256, card=card)
        made = graph.Graph(data, predictor.manifest, threads=settings.GRADE_THREADS)
        found = graph.parity(made, predictor.eager, reference_pixels(predictor.manifest.preprocess))
        if not found.holds:
            raise GraphError(
                f"its logits differ from PyTorch's by {found.logits:.1e}, its features by {found.features:.1e}, and "
                f"{graph.PARITY:.0e} is the most"
            )
    except GraphError as error:
        log.warning("No graph for %s, PyTorch serves it: %s", model.code, error)
        return _keep(ModelGraph(model=model, note=str(error)))
    if quick and (better := _quicker(model, predictor, data)).note:
        if better.data is not None:
            return _stored(model, better.data, INT8_TYPE, better.note, better.difference)
        return _stored(model, data, CONTENT_TYPE, better.note, found.logits)
    return _stored(model, data, CONTENT_TYPE, "", found.logits)


def _quicker(model: ModelVersion, predictor: "Predictor", exact: bytes) -> quicker.Outcome:
    from models_registry.inference import graph

    def load_graph(data: bytes) -> "Graph":
        return graph.Graph(data, predictor.manifest, threads=settings.GRADE_THREADS)

    return quicker.int8(model, predictor, exact, load_graph)


def _stored(model: ModelVersion, data: bytes, kind: str, note: str, difference: float) -> ModelGraph:
    from models_registry.inference import graph

    blob = blobs.write(data, namespace=blobs.namespace(model.project_id), content_type=kind)
    signature = graph.sign(data, model.bundle_sha256, ring.current().signing_seed)
    row = ModelGraph(
        model=model,
        blob=blob,
        sha256=graph.digest(data),
        signature=signature,
        logits_difference=difference,
        note=note,
    )
    with blobs.discarded_on_failure(blob):
        return _keep(row)


@done_again
def _keep(row: ModelGraph) -> ModelGraph:
    with transaction.atomic():
        if row.blob is not None:
            row.blob.save(force_insert=True)
        row.save()
    return row


def of(model: ModelVersion) -> ModelGraph | None:
    """The version's row, None before anybody tried to make a graph."""
    try:
        return model.graph
    except ModelGraph.DoesNotExist:
        return None


def has_one(model: ModelVersion) -> bool:
    """Whether the row says so; it is read with the version where `select_related("graph")` did."""
    row = of(model)
    return row is not None and row.blob_id is not None


def precision(model: ModelVersion) -> str | None:
    """How the version's graph computes, FP32 or INT8; None without one."""
    row = of(model)
    if row is None or row.blob is None:
        return None
    return INT8 if row.blob.content_type == INT8_TYPE else FP32


def load(model: ModelVersion, manifest: "Manifest") -> "Graph | None":
    """The verified graph of a version, None where PyTorch must serve. One that is missing is asked for; one that cannot be
    trusted is let go of first. Both stand in the log."""
    from models_registry.inference import graph

    row = of(model)
    if row is None:
        log.warning("%s has no graph yet: PyTorch serves it until one is made", model.code)
        work.send_named(MAKE, model.pk)
        return None
    if row.blob is None:
        log.warning("PyTorch serves %s: %s", model.code, row.note)
        return None
    if precision(model) == INT8 and settings.GRAPH_INT8 == quicker.OFF:
        log.warning("The graph of %s in 8-bit integers is made anew in single precision: GRAPH_INT8 is off", model.code)
        _let_go(row, row.blob)
        return None
    try:
        return graph.Graph(_verified(model, row, row.blob), manifest, threads=settings.GRADE_THREADS)
    except (DamagedObject, graph.GraphError) as error:
        log.error("The graph of %s is made anew, PyTorch serves until then: %s", model.code, error)
        _let_go(row, row.blob)
        return None


def _verified(model: ModelVersion, row: ModelGraph, blob: Blob) -> bytes:
    from models_registry.inference import graph

    data = blobs.read(blob)
    own = graph.digest(data) == row.sha256
    if not own or not graph.verify(data, model.bundle_sha256, row.signature, ring.current().signing_public):
        raise graph.GraphError("it is not the one that was signed for this bundle")
    return data


@done_again
def _let_go(row: ModelGraph, blob: Blob) -> None:
    with transaction.atomic():
        dropped, _ = ModelGraph.objects.filter(pk=row.pk, blob=blob).delete()
        if dropped:
            blobs.erase_on_commit([blob])
            damage.tell()
        work.send_named(MAKE, row.pk)


def sentence(model: ModelVersion) -> str:
    """What runs the networks of this version, for people."""
    row = of(model)
    if row is not None and row.blob is not None:
        if precision(model) == INT8:
            return f"ONNX Runtime serves it by its exported graph. {row.note}"
        return f"ONNX Runtime serves it: its exported graph gives PyTorch's answers. {row.note}".strip()
    if row is None:
        return "PyTorch serves it, more slowly, until its graph is made: that takes a minute after it is first needed."
    return f"PyTorch serves it, more slowly, because it has no graph: {row.note}."


def deployed_without() -> QuerySet[DeployedModel]:
    """What serves and has no graph."""
    return DeployedModel.objects.filter(deployment__model__graph__blob__isnull=True)


def open_graph(*, actor: User, model: ModelVersion) -> tuple[BinaryIO, Blob]:
    """The ONNX file, for whoever may deploy the version. Audited. Conflict `no_graph` where there is none."""
    require(actor, "deploy_model", model.project)
    row = of(model)
    if row is None or row.blob is None:
        why = row.note if row else "it is made when the version is first needed, such as by a deployment"
        raise Conflict(f"{model.code} has no ONNX file: {why}.", code="no_graph")
    details = {"sha256": row.sha256}
    return open_audited(
        row.blob, action="model.export", actor=actor, obj=model, project=model.project_id, details=details
    )
