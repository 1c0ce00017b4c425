"""The exported graph of a version: what serves on processors, beside the bundle that it was made of."""

from django.db import models
from django.utils import timezone

from mediscan_site.core.models import Blob
from models_registry.models.versions import ModelVersion


class ModelGraph(models.Model):
    """Whether a version has a graph that gives its networks' answers. The graph is one encrypted object, signed together with
    the bundle's digest; without one (`blob` null) PyTorch serves, and `note` says why."""

    model = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, primary_key=True, related_name="graph")
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True)
    signature = models.CharField(max_length=200, blank=True)
    # The largest difference from PyTorch's logits when it was made (`inference.graph.parity`).
    logits_difference = models.FloatField(null=True)
    note = models.TextField(blank=True)
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"graph of {self.model_id}"
