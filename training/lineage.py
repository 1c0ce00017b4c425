"""Tells the registry which version a run continued from: the runs know it, and the registry stands below them."""

from collections.abc import Mapping

from models_registry.models import ModelVersion
from models_registry.versions.lineage import bases_from
from training.models import TrainingRun


@bases_from
def bases_of(project_id: int) -> Mapping[int, int]:
    """Of each continued version of a project the key of the one it was continued from. By `source`: a version is there before
    its run has ended."""
    runs = TrainingRun.objects.filter(project=project_id, base_model__isnull=False)
    started = {run.source: run.base_model_id for run in runs.only("pk", "base_model") if run.base_model_id is not None}
    if not started:
        return {}
    versions = ModelVersion.objects.filter(project=project_id).values_list("pk", "source")
    return {pk: started[source] for pk, source in versions if source in started}
