"""What a model is: versions, their evaluations, and which one serves."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Project
from labeling.models import Snapshot
from mediscan_site.core.models import Blob, WorkItem


class ModelVersion(models.Model):
    """A trained classifier. The bundle (weights, preprocessing, calibration) is one signed, encrypted object."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    architecture = models.CharField(max_length=40)
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="model_versions")
    bundle = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    bundle_sha256 = models.CharField(max_length=64)
    bundle_signature = models.CharField(max_length=200)
    # One training run makes one version, however often its last step is repeated.
    source = models.CharField(max_length=64, unique=True)
    classes = models.JSONField()
    calibration = models.JSONField(default=dict)
    card = models.JSONField(default=dict)
    # What the version said about its validation scans, as lists of numbers in one order (`versions.reference`): what watching
    # compares new grades with.
    reference = models.JSONField(default=dict)
    training_date = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    mlflow_run_id = models.CharField(max_length=64, blank=True)
    mlflow_version = models.CharField(max_length=16, blank=True)
    mirrored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="model_number_once")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"model{self.pk:03d}"

    @property
    def version(self) -> str:
        return f"v{self.number}.0"


class Evaluation(WorkItem):
    """One reading of a test split by one model. `test_reads` counts the readings of that test set up to this one."""

    class Origin(models.TextChoices):
        TRAINING = "training"
        REQUEST = "request"

    owner_field = "requested_by"

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="evaluations")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="evaluations")
    origin = models.CharField(max_length=16, choices=Origin)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    metrics = models.JSONField(default=dict)
    test_reads = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="evaluation_by_status"),
            models.Index(fields=["model", "status", "id"], name="evaluation_by_model"),
            models.Index(fields=["created_at", "id"], name="evaluation_by_date"),
        ]

    def __str__(self) -> str:
        return f"evaluation {self.pk} of {self.model_id}"


class Deployment(models.Model):
    """A decision to serve a version. Append-only; which one serves now is `DeployedModel`."""

    class Kind(models.TextChoices):
        DEPLOY = "deploy"
        ROLLBACK = "rollback"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deployments")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=16, choices=Kind)
    previous = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    gate = models.JSONField(default=dict)
    override_reason = models.TextField(blank=True)
    deployed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.model_id}"


class DeployedModel(models.Model):
    """The one pointer of a project to what serves."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="deployed")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.project_id} -> {self.deployment_id}"
