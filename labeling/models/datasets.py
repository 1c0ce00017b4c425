"""Frozen data sets, and exports."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project, ProjectClass, Split
from labeling.models.reading import Label
from mediscan_site.core.models import Blob, WorkItem


class Grouping(models.TextChoices):
    """What keeps scans on one side. It holds for every scan of the data set: one scan of an unknown patient, and it is not
    `patient`. A study is of one patient, but a patient may have several."""

    PATIENT = "patient"
    STUDY = "study"
    NEAR_DUPLICATE = "near_duplicate"
    NONE = "none"


class GroupSide(models.Model):
    """The side that a group (a patient's scans) was given in its first snapshot, and keeps."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    group = models.CharField(max_length=80)
    side = models.CharField(max_length=8, choices=Split)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "group"], name="group_side_once")]

    def __str__(self) -> str:
        return f"{self.group}: {self.side}"


class Snapshot(models.Model):
    """A frozen data set. Equal content in a project is the same row."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    content_hash = models.CharField(max_length=64)
    seed = models.PositiveIntegerField(default=0)
    grouping = models.CharField(max_length=16, choices=Grouping)
    # Of its scans, how many are bound by what: a value of Grouping to a number. Empty in data sets from before it was counted.
    grouped_by = models.JSONField(default=dict)
    classes = models.JSONField()
    class_counts = models.JSONField()
    # Equal test members with equal labels are the same test set; its version counts up within the project.
    test_hash = models.CharField(max_length=64, blank=True)
    test_version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "content_hash"], name="snapshot_content_once")]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"dataset{self.pk:03d}"

    @property
    def size(self) -> int:
        """How many scans it was frozen with."""
        return sum(number for sides in self.class_counts.values() for number in sides.values())


class SnapshotMember(models.Model):
    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="members")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="snapshot_members")
    label = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="+")
    label_class = models.ForeignKey(ProjectClass, on_delete=models.PROTECT, related_name="+")
    split = models.CharField(max_length=8, choices=Split)
    group = models.CharField(max_length=80)
    # Empty once the scan is erased.
    sha256 = models.CharField(max_length=64)
    # Of a scan of several frames those that are learned from and asked about, from 1; empty: it has one.
    frames = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "image"], name="member_of_snapshot_once")]
        indexes = [
            models.Index(fields=["snapshot", "id"], name="member_in_order"),
            models.Index(fields=["snapshot", "sha256"], name="member_by_content"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.snapshot_id}"


class SnapshotLeftOut(models.Model):
    """A scan that was left out of a snapshot, and why."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="left_out")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=40)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "scans left out of snapshots"
        constraints = [models.UniqueConstraint(fields=["snapshot", "image"], name="left_out_of_snapshot_once")]
        indexes = [models.Index(fields=["snapshot", "id"], name="left_out_in_order")]

    def __str__(self) -> str:
        return f"{self.image_id}: {self.reason}"


class Export(WorkItem):
    """A ZIP to be fetched: a snapshot, or the scans of a project that pass `filters`. Destroyed at `expires_at`."""

    class Files(models.TextChoices):
        """What represents a scan: its file without metadata, or the 8-bit picture that pages show."""

        ORIGINALS = "originals"
        RENDITIONS = "renditions"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exports")
    snapshot = models.ForeignKey(Snapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    filters = models.JSONField(default=dict)
    files = models.CharField(max_length=16, choices=Files, default=Files.ORIGINALS)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="export_by_status"),
            models.Index(fields=["created_at", "id"], name="export_of_all_by_date"),
            models.Index(fields=["project", "created_at", "id"], name="export_by_date"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"
