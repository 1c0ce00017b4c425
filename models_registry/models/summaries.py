"""What was computed of the answers that an evaluation kept."""

from django.db import models
from django.utils import timezone

from models_registry.models.versions import Evaluation


class AnswerSummary(models.Model):
    """Figures over all answers of one reading, or over those of two, kept: for each look at a page they would be too many to read.

    `name`: which figures (`versions.summaries`). `value`: null until a worker has made them; `answers`: of so many answers, since
    one of a scan that is erased goes."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="summaries")
    name = models.CharField(max_length=40)
    answers = models.PositiveIntegerField(default=0)
    value = models.JSONField(null=True)
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "answer summaries"
        constraints = [models.UniqueConstraint(fields=["evaluation", "name"], name="summary_once")]

    def __str__(self) -> str:
        return f"{self.name} of evaluation {self.evaluation_id}"
