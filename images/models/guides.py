"""What readers go by: examples that stand beside the project's guide."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models.projects import Project, ProjectClass
from images.models.scans import Image


class GuideExample(models.Model):
    """A scan that shows what a class looks like. It goes with the scan."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="guide_examples")
    label_class = models.ForeignKey(ProjectClass, on_delete=models.CASCADE, related_name="+")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    caption = models.CharField(max_length=300, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["label_class__position", "position", "pk"]
        constraints = [models.UniqueConstraint(fields=["label_class", "image"], name="example_once_per_class")]

    def __str__(self) -> str:
        return f"{self.image_id} shows {self.label_class_id}"
