"""Scans, what is made of them and what is known about them."""

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone

from images.decoding.ages import OLDEST_BELIEVED
from images.decoding.notes import OF_TILES
from images.models.projects import Project, ProjectClass
from mediscan_site.core.models import Blob

SCAN_PREFIX = "img"
# The formats whose frames or pages are pictures of their own.
_WITH_FRAMES: Final = ("DICOM", "TIFF")


def scan_code(pk: int) -> str:
    """How people and the API name a scan."""
    return f"{SCAN_PREFIX}{pk:06d}"


class Split(models.TextChoices):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class LabelStatus(models.TextChoices):
    UNLABELED = "unlabeled"
    LABELED = "labeled"


class ApprovalStatus(models.TextChoices):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    MODIFIED = "modified"


class Desk(models.TextChoices):
    """Where a scan waits for a person: `label`, for somebody to read it (it has no label, or its label was rejected), or
    `review`, for somebody to decide about its label."""

    NOWHERE = ""
    LABEL = "label"
    REVIEW = "review"


class Hold(models.TextChoices):
    """Why a scan is held back until a person has looked at it: it may show who the patient is."""

    BURNED_IN = "burned_in_annotation"
    TEXT = "text_like_border"


# Nothing waits that is erased or held back.
_DESK: Final = Case(
    When(Q(erased_at__isnull=False) | ~Q(hold=""), then=Value(Desk.NOWHERE.value)),
    When(Q(label_status=LabelStatus.UNLABELED) | Q(approval_status="rejected"), then=Value(Desk.LABEL.value)),
    When(approval_status__in=("pending", "modified"), then=Value(Desk.REVIEW.value)),
    default=Value(Desk.NOWHERE.value),
)


class Image(models.Model):
    """A scan. Its status columns are written only by `labeling`, together with the label row they point to."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="images")
    file_name = models.CharField(max_length=255)
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    upload_date = models.DateTimeField(default=timezone.now)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    image_format = models.CharField(max_length=16)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.BigIntegerField()
    bits = models.PositiveSmallIntegerField(default=8)
    frames = models.PositiveIntegerField(default=1)
    notes = models.JSONField(default=list)
    modality = models.CharField(max_length=40, blank=True)
    split = models.CharField(max_length=8, choices=Split, null=True, blank=True)
    split_locked = models.BooleanField(default=False)
    patient = models.CharField(max_length=64, null=True, blank=True)
    # Keyed codes of the DICOM levels below the patient, and the places there (SeriesNumber, InstanceNumber).
    study = models.CharField(max_length=24, null=True, blank=True)
    series = models.CharField(max_length=24, null=True, blank=True)
    instance = models.CharField(max_length=24, null=True, blank=True)
    series_number = models.IntegerField(null=True, blank=True)
    instance_number = models.IntegerField(null=True, blank=True)
    external_id = models.CharField(max_length=128, null=True, blank=True)
    use_for_training = models.BooleanField(default=True)
    # Null only in the tombstone of an erased scan: a digest identifies its content.
    received_sha256 = models.CharField(max_length=64, null=True)
    sha256 = models.CharField(max_length=64, null=True)
    phash = models.CharField(max_length=64, blank=True)
    # Null: not yet compared with the other scans of the project (`NearDuplicate`).
    compared_at = models.DateTimeField(null=True, blank=True)
    # The place in the file it was split from, from 1.
    frame = models.PositiveIntegerField(null=True, blank=True)
    hold = models.CharField(max_length=24, choices=Hold, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    released_at = models.DateTimeField(null=True, blank=True)
    label_status = models.CharField(max_length=16, choices=LabelStatus, default=LabelStatus.UNLABELED)
    approval_status = models.CharField(max_length=16, choices=ApprovalStatus, default=ApprovalStatus.PENDING)
    label_class = models.ForeignKey(ProjectClass, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    # A Desk. The database makes it from the columns above: whoever writes those has written it.
    desk = models.GeneratedField(expression=_DESK, output_field=models.CharField(max_length=8), db_persist=True)
    # Who has spoken of it where it waits, as `labeling.models.SaidBy` writes it: none of them is asked again. Empty: nobody.
    said_by = models.CharField(max_length=128, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "received_sha256"], name="scan_received_once"),
            models.UniqueConstraint(fields=["project", "external_id"], name="scan_external_id_once"),
            models.CheckConstraint(
                name="unlabeled_scan_has_no_class",
                condition=models.Q(label_status=LabelStatus.LABELED) | models.Q(label_class__isnull=True),
            ),
            models.CheckConstraint(
                name="only_labeled_scans_are_decided",
                condition=models.Q(label_status=LabelStatus.LABELED) | models.Q(approval_status=ApprovalStatus.PENDING),
            ),
        ]
        indexes = [
            models.Index(fields=["upload_date", "id"], name="scan_of_all_by_date"),
            models.Index(fields=["project", "upload_date", "id"], name="scan_by_date"),
            models.Index(fields=["project", "label_status", "upload_date", "id"], name="scan_by_label_status"),
            models.Index(fields=["project", "approval_status", "upload_date", "id"], name="scan_by_approval"),
            models.Index(fields=["project", "label_class", "label_status", "upload_date", "id"], name="scan_by_class"),
            models.Index(fields=["project", "split", "upload_date", "id"], name="scan_by_split"),
            models.Index(fields=["project", "hold", "upload_date", "id"], name="scan_by_hold"),
            models.Index(fields=["project", "modality", "upload_date", "id"], name="scan_by_modality"),
            models.Index(fields=["project", "file_name", "id"], name="scan_by_name"),
            models.Index(fields=["project", "size", "id"], name="scan_by_size"),
            models.Index(fields=["project", "patient"], name="scan_by_patient"),
            models.Index(fields=["project", "study", "patient"], name="scan_by_study_of"),
            models.Index(fields=["project", "series"], name="scan_by_series"),
            models.Index(fields=["project", "instance"], name="scan_by_instance"),
            models.Index(fields=["project", "updated_at", "id"], name="scan_by_update"),
            models.Index(fields=["compared_at", "project"], name="scan_by_comparison"),
            # Queues: those of whom the same people spoke, in the order in which they came.
            models.Index(fields=["project", "desk", "said_by", "upload_date", "id"], name="scan_by_desk"),
            models.Index(
                fields=["project", "desk", "label_class", "said_by", "upload_date", "id"], name="scan_by_desk_class"
            ),
        ]

    # Of a scan that has just come in: what a person should look at (`images.services.exams.Remark`). Not kept as such.
    remarks: Sequence[Any] = ()

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return scan_code(self.pk)

    @property
    def frames_shown(self) -> int:
        """Of the pictures in its file (`frames`) how many can be shown, chosen and learned from, each for itself. Of a phone's
        preview, an animation and the tiles of a slide none can: the scan is one picture."""
        if self.image_format not in _WITH_FRAMES or any(OF_TILES in str(note) for note in self.notes):
            return 1
        return self.frames


class RenditionKind(models.TextChoices):
    THUMBNAIL = "thumbnail"
    VIEW = "rendition"
    TILE = "tile"
    LEARNING = "learning"
    PIXELS = "pixels"


class Rendition(models.Model):
    """What is shown or fed to a model instead of the original: re-encoded, without any of the file's metadata."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="renditions")
    kind = models.CharField(max_length=16, choices=RenditionKind)
    # 0: of the scan as a whole; from 1: of this frame of it.
    frame = models.PositiveIntegerField(default=0)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "kind", "frame"], name="rendition_of_frame_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.image_id}"


class Metadata(models.Model):
    """What is known about how and of whom a scan was taken. `pixel_spacing` in millimetres, at `pixel_spacing_at`; `age` in
    years."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, related_name="metadata")
    pixel_spacing = models.FloatField(null=True, blank=True)
    pixel_spacing_at = models.CharField(max_length=16, blank=True)
    institution = models.CharField(max_length=200, blank=True)
    capture_date = models.DateTimeField(null=True, blank=True)
    sex = models.CharField(max_length=16, blank=True)
    age = models.FloatField(null=True, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    view = models.CharField(max_length=32, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    device = models.CharField(max_length=120, blank=True)

    class Meta:
        verbose_name_plural = "metadata"
        constraints = [
            models.CheckConstraint(
                name="pixel_spacing_is_positive",
                condition=models.Q(pixel_spacing__isnull=True) | models.Q(pixel_spacing__gt=0),
            ),
            models.CheckConstraint(
                name="age_is_human",
                condition=models.Q(age__isnull=True) | (models.Q(age__gte=0) & models.Q(age__lte=OLDEST_BELIEVED)),
            ),
        ]

    def __str__(self) -> str:
        return f"metadata of {self.image_id}"


class NearDuplicate(models.Model):
    """Two scans that show the same picture: nominated by perceptual hash (`distance` of 256 bits), confirmed on pixels."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    first = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    distance = models.PositiveSmallIntegerField()
    correlation = models.FloatField()
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="near_duplicate_once"),
            models.CheckConstraint(name="near_duplicate_in_order", condition=models.Q(first__lt=models.F("second"))),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} ~ {self.second_id}"
