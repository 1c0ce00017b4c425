"""Several readers of one scan: who read it without seeing the others, what was given again unannounced, and gold scans."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import Image
from labeling.models.places import ProjectOfImage
from labeling.models.reading import Label


class Read(models.Model):
    """One reader's own opinion of a scan, as far as it is not simply the scan's label. `label` is what they said. An independent
    read that is neither open nor measured by anything was taken back."""

    class Kind(models.TextChoices):
        # One of the project's `reads_wanted`.
        INDEPENDENT = "independent"
        # A scan this reader had read before, given again.
        REPEAT = "repeat"
        # A scan whose label is known.
        GOLD = "gold"
        # The reader said something else while they still could; it stays in the history and counts for nothing.
        REPLACED = "replaced"

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="reads")
    project = ProjectOfImage()
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind)
    # Null: handed out, not yet read.
    label = models.OneToOneField(Label, null=True, on_delete=models.CASCADE, related_name="read")
    # What it is measured by: the label that the reading of the scan led to, or what the reader said the first time.
    against = models.ForeignKey(Label, null=True, on_delete=models.CASCADE, related_name="measures")
    # True while the reading of the scan is open, then null: no database counts nulls as equal. So there is one open read of a
    # reader and one of a seat, and seats end at the number of readers wanted.
    active = models.BooleanField(null=True)
    seat = models.PositiveSmallIntegerField(null=True)
    # Likewise, while a scan that was given again, or a gold scan, waits to be read.
    waiting = models.BooleanField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "reader", "active"], name="one_open_read_of_a_reader"),
            models.UniqueConstraint(fields=["image", "seat", "active"], name="one_open_read_of_a_seat"),
            models.UniqueConstraint(fields=["image", "reader", "waiting"], name="handed_out_once"),
        ]
        indexes = [
            models.Index(fields=["active", "image"], name="read_open"),
            models.Index(fields=["project", "kind", "id"], name="read_by_project"),
            models.Index(fields=["reader", "kind"], name="read_by_reader"),
            models.Index(fields=["reader", "waiting"], name="read_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} read of {self.image_id} by {self.reader_id}"


class GoldScan(models.Model):
    """A scan whose approved label is known well enough to measure readers by."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="gold")
    project = ProjectOfImage()
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    marked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "marked_at", "image"], name="gold_by_date")]

    def __str__(self) -> str:
        return f"gold {self.image_id}"
