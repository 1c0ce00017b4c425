"""Whether a version may answer at a place: what it learned from, the test at the place, and what was decided.

A place is kept as a keyed code (`versions.places`): the name stays with the scans that have it."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project
from labeling.models import Label
from models_registry.models.grades import Grade
from models_registry.models.versions import ModelVersion

PLACE_LENGTH = 24


class LearnedPlaces(models.Model):
    """The keyed institutions and devices of the scans that a version learned from. Written when they are first asked for; what is
    known about the scans may change later."""

    model = models.OneToOneField(
        ModelVersion, on_delete=models.CASCADE, primary_key=True, related_name="learned_places"
    )
    institutions = models.JSONField(default=list)
    devices = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"places of {self.model_id}"


class AcceptanceTest(models.Model):
    """`wanted` scans of one place, read by doctors and graded by the version, neither knowing of the other. `device` empty: any."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="acceptance_tests")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="acceptance_tests")
    site = models.CharField(max_length=PLACE_LENGTH)
    device = models.CharField(max_length=PLACE_LENGTH, blank=True)
    wanted = models.PositiveIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # True until it is decided, then null: a place has at most one open test of a version.
    active = models.BooleanField(null=True, default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "site", "device", "active"], name="one_open_test_per_place")
        ]

    def __str__(self) -> str:
        return f"acceptance test {self.pk}"


class AcceptanceCase(models.Model):
    """A scan of a test, how a doctor had read it when it was drawn, and its grade."""

    test = models.ForeignKey(AcceptanceTest, on_delete=models.CASCADE, related_name="cases")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    label = models.ForeignKey(Label, on_delete=models.CASCADE, related_name="+")
    grade = models.OneToOneField(Grade, on_delete=models.CASCADE, related_name="acceptance_case")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["test", "image"], name="acceptance_case_once")]

    def __str__(self) -> str:
        return f"{self.image_id} in {self.test_id}"


class AcceptanceDecision(models.Model):
    """What was decided after a test, with the figures as they were then. Append-only; the newest one of a place counts."""

    class Decision(models.TextChoices):
        ACCEPT = "accept", "accept: it answers there"
        REFER_ALL = "refer_all", "refer all: every scan of the place goes to a doctor"
        RETRAIN = "retrain", "retrain: refer all until a new version is tested"

    test = models.ForeignKey(AcceptanceTest, on_delete=models.CASCADE, related_name="decisions")
    decision = models.CharField(max_length=16, choices=Decision)
    reason = models.TextField()
    figures = models.JSONField(default=dict)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.decision} after {self.test_id}"
