"""What people put on the list of scans: tags, and filters they want again."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models.projects import Project
from images.models.scans import Image

# `name_key` (mediscan_site.core.names) may be longer than the name.
_KEY = 255


class Tag(models.Model):
    """A short free word of a project. `name_key`: two that differ only in case or form of their letters are one."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=40)
    name_key = models.CharField(max_length=_KEY)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name_key"], name="tag_once_per_project")]

    def __str__(self) -> str:
        return self.name


class ImageTag(models.Model):
    """A tag on a scan, and who put it there."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="image_tags")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="image_tags")
    tagged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tagged_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "tag"], name="tag_once_per_scan")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.image_id}"


class SavedFilter(models.Model):
    """A filter of a list that a person wants again. `slot`: the project and the name's key, so that a database may refuse a
    second one of this name where there is no project."""

    class Page(models.TextChoices):
        SCANS = "scans"
        HISTORY = "history"
        JOBS = "jobs"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    page = models.CharField(max_length=8, choices=Page)
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    slot = models.CharField(max_length=_KEY)
    query = models.JSONField(default=dict)
    # Offered to everybody who sees the project.
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "page", "slot"], name="saved_filter_once")]

    def __str__(self) -> str:
        return self.name
