"""What a model is and what it says: versions, evaluations, deployments, grades, feedback."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project, ProjectClass, Split
from labeling.models import Label, Snapshot
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
        indexes = [models.Index(fields=["status", "heartbeat_at"], name="evaluation_by_status")]

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


class Grade(WorkItem):
    """What one model version said about one scan. The version is pinned when the grade is asked for, not when it runs."""

    class Decision(models.TextChoices):
        ANSWER = "answer"
        REFER = "refer"

    owner_field = "requested_by"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grades")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="grades")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="grades")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    prediction = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    confidence = models.FloatField(null=True)
    probabilities = models.JSONField(default=dict)
    decision = models.CharField(max_length=8, choices=Decision, blank=True)
    reasons = models.JSONField(default=list)
    latency_ms = models.FloatField(null=True)
    heatmap = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    # The side of the version's own data sets that has this picture; an answer to what was learned from proves nothing.
    seen_in = models.CharField(max_length=8, choices=Split, null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["project", "created_at", "id"], name="grade_by_date"),
            models.Index(fields=["image", "id"], name="grade_by_image"),
            models.Index(fields=["status", "heartbeat_at"], name="grade_by_status"),
        ]

    def __str__(self) -> str:
        return f"grade {self.pk}"


class Feedback(models.Model):
    """A doctor's answer to a grade. Wrong with a class becomes that doctor's label, except on a test scan (`held_for_admin`)."""

    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="feedback")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    correct = models.BooleanField()
    correct_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField(blank=True)
    label = models.OneToOneField(Label, null=True, on_delete=models.SET_NULL, related_name="feedback")
    held_for_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(
                name="correct_feedback_names_no_class",
                condition=models.Q(correct=False) | models.Q(correct_class__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["grade", "id"], name="feedback_by_grade")]

    def __str__(self) -> str:
        return f"feedback {self.pk} on {self.grade_id}"
