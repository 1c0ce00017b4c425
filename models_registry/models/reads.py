"""What a doctor said of a scan before they saw what a model had answered, and what they say after it."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from images.models import ProjectClass
from models_registry.models.grades import Grade


class FirstRead(models.Model):
    """Where a project has answers covered until the doctor has read: what they saw (null: they could not tell), and what they
    settled on once the answer was uncovered (`settled_at` null: not yet)."""

    grade = models.ForeignKey(Grade, on_delete=models.CASCADE, related_name="first_reads")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    read_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    read_at = models.DateTimeField(default=timezone.now)
    final_class = models.ForeignKey(ProjectClass, null=True, on_delete=models.PROTECT, related_name="+")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["grade", "reader"], name="first_read_once"),
            models.CheckConstraint(
                name="first_read_settled_before_its_class",
                condition=models.Q(settled_at__isnull=False) | models.Q(final_class__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"first read of {self.grade_id} by {self.reader_id}"
