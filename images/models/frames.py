"""Which frames of a scan of several are looked at."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models.scans import Image


class FrameSource(models.TextChoices):
    """Who said which frames are looked at. Rows are by a person or by the file; a project's rule is asked where neither helps."""

    PERSON = "person", "chosen by a person"
    FILE = "file", "named by the file"
    RULE = "rule", "spread evenly by the project's rule"
    NOBODY = "nobody", "not chosen"


class FrameChoice(models.Model):
    """One statement about which frames of a scan are looked at; never edited. The newest by a person counts; an empty one takes
    back what people said before. `frames`: numbers from 1, rising."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="frame_choices")
    frames = models.JSONField()
    source = models.CharField(max_length=8, choices=FrameSource)
    # Null: the file itself.
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["image", "id"], name="frame_choice_by_image")]

    def __str__(self) -> str:
        return f"frames {self.frames} of {self.image_id}"
