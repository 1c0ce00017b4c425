"""Projects, who belongs to them with which rights, and their classes."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from images.decoding.ages import OLDEST_BELIEVED

RESEARCH_USE = "Research use only. Not a medical device; not for diagnosis."
# Of one scan, how many frames are looked at.
MOST_FRAMES = 16
# Of one scan, how many people read it without seeing each other.
MOST_READS = 5
_AGE = [MinValueValidator(0.0), MaxValueValidator(float(OLDEST_BELIEVED))]


class UnacceptedSite(models.TextChoices):
    """What becomes of scans of a place that the version neither learned from nor was accepted for."""

    WARN = "warn", "answer with a warning"
    REFER = "refer", "refer to a doctor"


class OnAlarm(models.TextChoices):
    """What an alarm of the watching does until somebody has looked at it."""

    TELL = "tell", "tell administrators"
    REFER = "refer", "tell them, and refer every scan until one has decided"


class PictureShape(models.TextChoices):
    """How a scan that is no square becomes one; `inference.names.SHAPES` are the same words."""

    SQUASH = "squash", "squashed to the square"
    LETTERBOX = "letterbox", "at its own shape, with a margin"


class Project(models.Model):
    name = models.CharField(max_length=120, unique=True)
    modality = models.CharField(max_length=40, blank=True)
    four_eyes = models.BooleanField(default=True)
    laterality_matters = models.BooleanField(default=True)
    # False: a scan shows the same whichever way it is turned (cells, tissue, skin), and may be learned from at any angle.
    orientation_matters = models.BooleanField(default=True)
    # How a scan becomes the square that a network takes.
    picture_shape = models.CharField(max_length=12, choices=PictureShape, default=PictureShape.SQUASH)
    # Of a scan of several frames, how many are looked at where nobody has chosen; 1: the one that its file names.
    frames_seen = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_FRAMES)]
    )
    # How labels are given. Readers who each read a scan without seeing the others; 1: one reads, a colleague reviews.
    reads_wanted = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_READS)]
    )
    # Whether desks hide file names, earlier opinions and names of readers from whoever reads.
    read_blind = models.BooleanField(default=True)
    # Whether the model's answer stays covered until the doctor has given their own.
    reveal_after_read = models.BooleanField(default=False)
    # The share of scans that a reader is given a second time, unannounced.
    repeats_share = models.FloatField(default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(0.2)])
    # What readers are to go by, in paragraphs; examples stand beside it.
    guide = models.TextField(blank=True)
    intended_use = models.TextField(default=RESEARCH_USE)
    # What a scan is meant to show; another one is referred. Empty and null: not stated. Ages in years.
    intended_body_part = models.CharField(max_length=64, blank=True)
    intended_view = models.CharField(max_length=32, blank=True)
    intended_laterality = models.CharField(max_length=16, blank=True)
    intended_age_min = models.FloatField(null=True, blank=True, validators=_AGE)
    intended_age_max = models.FloatField(null=True, blank=True, validators=_AGE)
    limitations = models.TextField(default=RESEARCH_USE)
    coverage_target = models.FloatField(default=0.9, validators=[MinValueValidator(0.05), MaxValueValidator(1.0)])
    # The share of scans whose prediction set should hold the true class.
    conformal_target = models.FloatField(default=0.9, validators=[MinValueValidator(0.5), MaxValueValidator(0.99)])
    # The share of each class (by id) among the scans to be graded, where the project knows it; confidences are corrected to it.
    expected_prevalence = models.JSONField(default=dict, blank=True)
    # What de-identification keeps (docs/privacy.md): the options of DICOM PS3.15 Annex E of the same names.
    keep_patient_characteristics = models.BooleanField(default=True)
    keep_institution = models.BooleanField(default=False)
    shift_dates = models.BooleanField(default=True)
    # Whoever uploads asks the deployed version about each new scan.
    grade_on_arrival = models.BooleanField(default=False)
    unaccepted_site = models.CharField(max_length=8, choices=UnacceptedSite, default=UnacceptedSite.WARN)
    on_alarm = models.CharField(max_length=8, choices=OnAlarm, default=OnAlarm.TELL)
    # The share of answered grades that a doctor reads without seeing the answer.
    blind_read_share = models.FloatField(default=0.0, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        # `view_project` is Django's own; naming it here again would be auth.E005.
        permissions = [
            ("upload_image", "Can upload scans"),
            ("label_image", "Can label scans"),
            ("review_label", "Can review labels"),
            ("grade_image", "Can grade scans"),
            ("train_model", "Can train a model"),
            ("deploy_model", "Can deploy a model"),
            ("manage_project", "Can manage classes, members and rights"),
            ("view_audit", "Can read the audit log"),
            ("reidentify", "Can look up the patient behind a pseudonym"),
        ]
        constraints = [
            models.CheckConstraint(
                name="coverage_target_is_a_share",
                condition=models.Q(coverage_target__gt=0) & models.Q(coverage_target__lte=1),
            ),
            models.CheckConstraint(
                name="conformal_target_is_a_share",
                condition=models.Q(conformal_target__gt=0) & models.Q(conformal_target__lt=1),
            ),
            models.CheckConstraint(
                name="intended_ages_are_in_order",
                condition=models.Q(intended_age_min__isnull=True)
                | models.Q(intended_age_max__isnull=True)
                | models.Q(intended_age_max__gte=models.F("intended_age_min")),
            ),
            models.CheckConstraint(
                name="frames_seen_is_a_number_of_frames",
                condition=models.Q(frames_seen__gte=1) & models.Q(frames_seen__lte=MOST_FRAMES),
            ),
            models.CheckConstraint(
                name="blind_read_share_is_a_share",
                condition=models.Q(blind_read_share__gte=0) & models.Q(blind_read_share__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProjectUserObjectPermission(UserObjectPermissionBase):
    """Guardian's rights with a real foreign key, so that they die with the project."""

    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


class ProjectGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Project, on_delete=models.CASCADE)


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"


class ProjectClass(models.Model):
    """A class of a project. Its id is stable, so renaming and retiring never orphan a label."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="class_rows")
    name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "project classes"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="class_name_once"),
            models.UniqueConstraint(fields=["project", "position"], name="class_position_once"),
        ]

    def __str__(self) -> str:
        return self.name
