"""Scans coming in: imports, uploads in pieces, watched folders."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project
from mediscan_site.core.models import Blob, WorkItem


class Import(WorkItem):
    """A ZIP (or folder) being imported. The report per file is `ImportFile`."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    file_name = models.CharField(max_length=255)
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    total = models.PositiveIntegerField(default=0)
    # Once it has ended: outcome to number of files, so that a list of imports counts none of them again.
    numbers = models.JSONField(default=dict)
    # Each frame of a multi-frame file becomes a scan of its own, all of one patient.
    split_frames = models.BooleanField(default=False)
    # How its labels files are to be read: a name of `imports.dialects.NAMES`.
    dialect = models.CharField(max_length=40, default="auto")
    # Which finding of those that its labels files name is asked for: a scan has it or has not.
    finding = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="import_by_status"),
            models.Index(fields=["created_at", "id"], name="import_of_all_by_date"),
            models.Index(fields=["project", "created_at", "id"], name="import_by_date"),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"


class ImportFile(models.Model):
    """What became of one file (or one row of its labels file) of an import. Unique per path: a restart duplicates nothing."""

    class Outcome(models.TextChoices):
        CREATED = "created"
        DUPLICATE = "duplicate"
        REJECTED = "rejected"
        WARNING = "warning"
        # Neither a scan nor a mistake: what lies beside the scans of a CD.
        PASSED_OVER = "passed_over"
        # For the record: how something was understood.
        NOTE = "note"

    batch = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=500)
    path_digest = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=Outcome)
    code = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="import_files")
    # Of a line without a scan: the pseudonym of the patient that its row names, so that erasing the patient finds it.
    patient = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "path_digest", "code"], name="import_file_once")]
        indexes = [
            models.Index(fields=["patient"], name="import_file_by_patient"),
            models.Index(fields=["batch", "outcome", "id"], name="import_file_by_outcome"),
            models.Index(fields=["batch", "code", "outcome"], name="import_file_by_code"),
            models.Index(fields=["batch", "id"], name="import_file_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.path}: {self.outcome}"


class ResumableUpload(models.Model):
    """A ZIP that comes in pieces. `received`: bytes that arrived, without a gap from the start; `batch`: what it became."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    file_name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    received = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    split_frames = models.BooleanField(default=False)
    dialect = models.CharField(max_length=40, default="auto")
    finding = models.CharField(max_length=100, blank=True, default="")
    # When it is whole it waits for somebody who has looked at what was understood, and only then becomes an import.
    preview = models.BooleanField(default=False)
    batch = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["updated_at"], name="upload_by_update")]

    def __str__(self) -> str:
        return f"upload {self.pk}"


class UploadPart(models.Model):
    """One piece of a resumable upload, encrypted like everything else."""

    upload = models.ForeignKey(ResumableUpload, on_delete=models.CASCADE, related_name="parts")
    offset = models.BigIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["upload", "offset"], name="upload_part_once")]

    def __str__(self) -> str:
        return f"{self.upload_id} from {self.offset}"


class WatchedFile(models.Model):
    """A file of a watched folder that was dealt with, so that it is not read again. `digest`: of its path, keyed."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    size = models.BigIntegerField()
    modified_ns = models.BigIntegerField()
    outcome = models.CharField(max_length=16, choices=ImportFile.Outcome)
    code = models.CharField(max_length=40, blank=True)
    image = models.ForeignKey(Image, null=True, on_delete=models.SET_NULL, related_name="+")
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="watched_file_once")]

    def __str__(self) -> str:
        return f"watched file {self.pk}: {self.outcome}"
