"""How a model is made: training runs and what they measured epoch by epoch."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project
from labeling.models import Snapshot
from mediscan_site.core.models import Blob, WorkItem
from models_registry.models import ModelVersion


class TrainingRun(WorkItem):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="training_runs")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="training_runs")
    base_model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    model = models.OneToOneField(ModelVersion, null=True, on_delete=models.PROTECT, related_name="training_run")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    config = models.JSONField()
    message = models.CharField(max_length=200, blank=True)
    # True while queued or running, else null. MySQL has no conditional unique index; nulls never clash.
    active = models.BooleanField(null=True, default=True)
    checkpoint = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    # A picture of training scans as the network is given them; which ones, ShownScan says.
    inputs_sheet = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    mlflow_run_id = models.CharField(max_length=64, blank=True)
    environment = models.JSONField(default=dict)
    # That train it together, on all hosts: decided when an attempt begins, and kept by those that resume it.
    processes = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "active"], name="one_active_run_per_project"),
            models.CheckConstraint(
                name="run_active_is_true_or_null", condition=models.Q(active__isnull=True) | models.Q(active=True)
            ),
        ]
        indexes = [models.Index(fields=["status", "heartbeat_at"], name="run_by_status")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"training{self.pk:03d}"

    @property
    def source(self) -> str:
        """The name under which the registry knows this run: one run makes one version."""
        return f"training-run-{self.pk}"


class EpochMetrics(models.Model):
    """What one epoch measured. Unique per run and epoch: a resumed run repeats none."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="epochs")
    epoch = models.PositiveIntegerField()
    phase = models.CharField(max_length=16)
    metrics = models.JSONField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "epoch metrics"
        ordering = ["epoch"]
        constraints = [models.UniqueConstraint(fields=["run", "epoch"], name="epoch_once_per_run")]

    def __str__(self) -> str:
        return f"epoch {self.epoch} of {self.run_id}"


class ShownScan(models.Model):
    """A scan that is to be seen on a run's contact sheet: erasing it destroys the sheet."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="shown_scans")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "image"], name="scan_once_per_sheet")]

    def __str__(self) -> str:
        return f"{self.image_id} on the contact sheet of {self.run_id}"
