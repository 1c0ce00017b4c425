"""Work that a model gives back: referred scans, who has which one open, and what they read on it."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image, Project, ProjectClass
from labeling.models import Label
from models_registry.models.grades import Grade


class Referral(models.Model):
    """A scan that a model gave back, until a person has read it: one task, however often it is referred meanwhile.

    `active` is True while it waits and null afterwards, so that a scan has at most one that waits (a unique key that takes
    several nulls holds on every database). `holder` has it until `expires_at`: one lease for each task, kept in the task."""

    class Outcome(models.TextChoices):
        # Read in the worklist; decided elsewhere (labelled or reviewed); gone with its scan.
        READ = "read"
        DECIDED = "decided"
        ERASED = "erased"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="referrals")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="referrals")
    # The newest grade that referred the scan: it says why.
    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="referrals")
    active = models.BooleanField(null=True, default=True)
    opened_at = models.DateTimeField(default=timezone.now)
    holder = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome, null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "active"], name="one_waiting_referral_per_scan")]
        indexes = [
            models.Index(fields=["project", "active", "opened_at"], name="referral_by_age"),
            models.Index(fields=["opened_at", "id"], name="referral_of_all_by_age"),
            models.Index(fields=["project", "opened_at", "id"], name="referral_by_project"),
            models.Index(fields=["active", "opened_at", "id"], name="referral_by_state"),
            models.Index(fields=["outcome", "opened_at", "id"], name="referral_by_outcome"),
            models.Index(fields=["project", "closed_at", "id"], name="referral_by_end"),
        ]

    def __str__(self) -> str:
        return f"referral {self.pk} of {self.image_id}"


class ReferralRead(models.Model):
    """What a doctor read on a referred scan before the model's opinion was shown. Never edited.

    `label` is the label that it became: none where the scan had that label already, and none for a scan of a test split
    (`held_for_admin`), whose labels a model's referrals must not choose."""

    referral = models.OneToOneField(Referral, on_delete=models.CASCADE, related_name="read")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    label_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    ungradable_reason = models.CharField(max_length=200, blank=True)
    comment = models.TextField(blank=True)
    label = models.ForeignKey(Label, null=True, on_delete=models.SET_NULL, related_name="+")
    held_for_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="referral_read_is_class_or_ungradable",
                condition=(models.Q(label_class__isnull=False) & models.Q(ungradable_reason=""))
                | (models.Q(label_class__isnull=True) & ~models.Q(ungradable_reason="")),
            )
        ]

    def __str__(self) -> str:
        return f"read of referral {self.referral_id}"
