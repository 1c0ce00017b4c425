"""What a model says about a scan, and what doctors answer."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project, ProjectClass, Split
from labeling.models import Label
from mediscan_site.core.models import Blob, WorkItem
from models_registry.models.versions import ModelVersion


class Grade(WorkItem):
    """What one model version said about one scan. The version is pinned when the grade is asked for, not when it runs."""

    class Decision(models.TextChoices):
        ANSWER = "answer"
        REFER = "refer"

    class Standing(models.TextChoices):
        """What was known, when the grade was answered, of the version at the place where the scan was taken."""

        LEARNED = "learned", "it learned from this place"
        ACCEPTED = "accepted", "it was tested there and accepted"
        UNTESTED = "untested", "it was not tested there"
        REFUSED = "refused", "it was tested there and not accepted"

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
    # How far the scan lies from what the version learned, as a share of the limit from which on it refers; null: not measured.
    distance = models.FloatField(null=True)
    # How far the version's networks disagree about the prediction: the standard deviation of its probability; null: one network.
    spread = models.FloatField(null=True)
    # Of a scan of several frames: those whose answers were put together, those on which nothing could be read, and the one that
    # by itself speaks most clearly for the answer. Empty and null: it has one.
    frames = models.JSONField(default=list)
    frames_unread = models.JSONField(default=list)
    worst_frame = models.PositiveIntegerField(null=True)
    # The side of the version's own data sets that has this picture; an answer to what was learned from proves nothing.
    seen_in = models.CharField(max_length=8, choices=Split, null=True, blank=True)
    # The keyed code of the institution (`versions.places`), by which grades are watched; empty: answered before there were any.
    site = models.CharField(max_length=24, blank=True)
    standing = models.CharField(max_length=8, choices=Standing, blank=True)
    # Asked for together with many others, which are one job (`GradeBatch`).
    batched = models.BooleanField(default=False)
    # Part of an acceptance test that is not decided: shown to nobody until then.
    blind = models.BooleanField(default=False)

    # The newest earlier grade of the scan by the same version, and when it was answered: what `selectors.with_earlier` found.
    graded_before: int | None = None
    graded_before_at: datetime | None = None
    # Whether pages keep the answer from whoever asks, until they have read the scan: what `selectors.grades` found.
    covered: bool = False

    class Meta:
        indexes = [
            models.Index(fields=["model", "site", "finished_at", "id"], name="grade_by_site"),
            models.Index(fields=["created_at", "id"], name="grade_of_all_by_date"),
            models.Index(fields=["project", "created_at", "id"], name="grade_by_date"),
            # Of a list a filter may leave few: each has an index of its own, in the order of the list.
            models.Index(fields=["project", "status", "created_at", "id"], name="grade_by_project_status"),
            models.Index(fields=["project", "decision", "created_at", "id"], name="grade_by_decision"),
            models.Index(fields=["project", "seen_in", "created_at", "id"], name="grade_by_side"),
            models.Index(fields=["prediction", "created_at", "id"], name="grade_by_prediction"),
            models.Index(fields=["model", "created_at", "id"], name="grade_by_model"),
            models.Index(fields=["status", "created_at", "id"], name="grade_of_all_by_status"),
            models.Index(fields=["decision", "created_at", "id"], name="grade_of_all_by_decision"),
            models.Index(fields=["seen_in", "created_at", "id"], name="grade_of_all_by_side"),
            models.Index(fields=["batched", "id"], name="grade_by_itself"),
            models.Index(fields=["image", "id"], name="grade_by_image"),
            models.Index(fields=["status", "heartbeat_at"], name="grade_by_status"),
        ]

    def __str__(self) -> str:
        return f"grade {self.pk}"

    @property
    def standing_or_none(self) -> str | None:
        return self.standing or None


class Feedback(models.Model):
    """A doctor's answer to a grade. Wrong with a class becomes that doctor's label, except on a test scan (`held_for_admin`)."""

    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="feedback")
    # The grade's, so that the list of one project is a walk of an index.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
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
        indexes = [
            models.Index(fields=["grade", "id"], name="feedback_by_grade"),
            models.Index(fields=["project", "id"], name="feedback_by_project"),
            models.Index(fields=["created_at", "id"], name="feedback_by_date"),
            models.Index(fields=["held_for_admin", "id"], name="feedback_by_hold"),
            models.Index(fields=["correct", "id"], name="feedback_by_verdict"),
        ]

    def __str__(self) -> str:
        return f"feedback {self.pk} on {self.grade_id}"
