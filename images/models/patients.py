"""What is kept of patients, and what was taken out of their files."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models.projects import Project
from images.models.scans import Image


class Deidentification(models.Model):
    """What was done to a DICOM file before it was stored: which elements, never their values."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="deidentification")
    profile = models.CharField(max_length=200)
    actions = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"de-identification of {self.image_id}"


class PatientIdentity(models.Model):
    """The way back from a pseudonym to the patient id that came in, sealed with a key of its own."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    pseudonym = models.CharField(max_length=64)
    # Of an id with its issuer: the pseudonym that its number alone would have, so that the number finds it.
    number = models.CharField(max_length=64, blank=True, default="")
    key_id = models.CharField(max_length=40)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "patient identities"
        constraints = [models.UniqueConstraint(fields=["project", "pseudonym"], name="identity_once")]
        indexes = [models.Index(fields=["project", "number"], name="identity_by_number")]

    def __str__(self) -> str:
        return self.pseudonym


class PatientMerge(models.Model):
    """Two pseudonyms are one person: what comes in later for `source` is kept under `target`."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=64)
    target = models.CharField(max_length=64)
    merged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    merged_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "source"], name="patient_merged_once")]
        indexes = [models.Index(fields=["project", "target"], name="merge_by_target")]

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class MixedStudy(models.Model):
    """A study that was of several patients when it was noted. All that are so are here, and some that are so no longer
    (`images.mixed_studies`)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    study = models.CharField(max_length=24)

    class Meta:
        verbose_name_plural = "mixed studies"
        constraints = [models.UniqueConstraint(fields=["project", "study"], name="mixed_study_once")]

    def __str__(self) -> str:
        return self.study
