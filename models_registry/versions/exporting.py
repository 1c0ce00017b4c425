"""Making the graphs of versions: of a new one right after its training, of an older one when it is first needed."""

import logging

from django.db import transaction

from mediscan_site.core import work
from models_registry.inference.predictor import Predictor
from models_registry.models import ModelGraph, ModelVersion
from models_registry.selectors import latest_evaluation
from models_registry.versions import cards, graphs, serving

log = logging.getLogger(__name__)


def make(model: ModelVersion, predictor: Predictor, *, quick: bool = True) -> ModelGraph:
    """The graph of this version (or why it has none), with the card as it is now. `quick`: it may compute in integers."""
    return graphs.make(model, predictor, cards.text(model, latest_evaluation(model)), quick=quick)


def make_missing(pk: int) -> None:
    """Export a version that has no graph, and have the grade workers load it. A note why there was none is no reason not to try
    again: it may be another release of PyTorch now. In single precision: what was measured, accepted and graded with the version
    was, and nobody decided that its answers change."""
    rows = ModelVersion.objects.select_related("bundle", "graph__blob", "project", "snapshot", "created_by")
    model = rows.filter(pk=pk).first()
    if model is None or graphs.has_one(model):
        return
    try:
        made = make(model, Predictor(serving.bundle(model)), quick=False)
    except serving.BundleDamaged as error:
        log.warning("No graph of %s: %s", model.code, error)
        return
    if made.blob is not None:
        with transaction.atomic():
            work.send_named(serving.WARM, pk)
