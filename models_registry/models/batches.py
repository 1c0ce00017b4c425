"""Many stored scans graded by one version, and what became of each."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project
from labeling.models import Import
from mediscan_site.core.models import WorkItem
from models_registry.models.grades import Grade
from models_registry.models.versions import ModelVersion


class GradeBatch(WorkItem):
    """The scans are rows from the start (`GradeBatchItem`), so what is graded does not change with the list it came from. The
    version is pinned as well. A batch of arrivals takes what comes in for as long as it is not over."""

    class Origin(models.TextChoices):
        SELECTION = "selection"
        FILTER = "filter"
        IMPORT = "import"
        ARRIVAL = "arrival"

    owner_field = "requested_by"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="grade_batches")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="grade_batches")
    origin = models.CharField(max_length=12, choices=Origin)
    # Of a filter: what was asked for, without what may name a patient. Of an import: which.
    filters = models.JSONField(default=dict)
    source_import = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, related_name="grade_batches")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    total = models.PositiveIntegerField(default=0)
    # Once it has ended: outcome to number of scans, so that a list of batches counts none of them again.
    numbers = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "grade batches"
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="batch_by_status"),
            models.Index(fields=["project", "created_at", "id"], name="batch_by_date"),
            models.Index(fields=["created_at", "id"], name="batch_of_all_by_date"),
        ]

    def __str__(self) -> str:
        return f"grade batch {self.pk}"


class GradeBatchItem(models.Model):
    """One scan of a batch. `code` says why it was left out or failed; `detail` says it to people."""

    class Outcome(models.TextChoices):
        WAITING = "waiting"
        ANSWERED = "answered"
        REFERRED = "referred"
        FAILED = "failed"
        LEFT_OUT = "left_out"

    batch = models.ForeignKey(GradeBatch, on_delete=models.CASCADE, related_name="items")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.WAITING)
    code = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    grade = models.OneToOneField(Grade, null=True, on_delete=models.CASCADE, related_name="batch_item")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "image"], name="scan_once_per_batch")]
        indexes = [
            models.Index(fields=["batch", "outcome", "id"], name="item_by_outcome"),
            models.Index(fields=["batch", "code", "outcome"], name="item_by_code"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} in batch {self.batch_id}: {self.outcome}"
