"""What an evaluation heard of each test scan: kept, so that every figure leads to the scans behind it."""

from django.db import models

from images.models import Image, ProjectClass
from mediscan_site.core.models import Blob
from models_registry.models.versions import Evaluation


class ScanAnswer(models.Model):
    """What a version said of one scan in one reading of a test split. Written together with the report, and never again.

    `truth`: the class that the data set was frozen with; `said`: the most probable one. `shares`: the probabilities, in the
    order of the version's classes. `heatmap`: what spoke for `said`, once somebody has asked for it."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="answers")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    truth = models.ForeignKey(ProjectClass, on_delete=models.PROTECT, related_name="+")
    said = models.ForeignKey(ProjectClass, on_delete=models.PROTECT, related_name="+")
    right = models.BooleanField()
    confidence = models.FloatField()
    shares = models.JSONField()
    heatmap = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["evaluation", "image"], name="answer_once_per_scan")]
        indexes = [
            models.Index(fields=["evaluation", "right", "confidence", "id"], name="answer_by_confidence"),
            models.Index(fields=["evaluation", "truth", "said", "confidence", "id"], name="answer_by_cell"),
            models.Index(fields=["evaluation", "confidence", "id"], name="answer_of_all_by_confidence"),
        ]

    def __str__(self) -> str:
        return f"answer about {self.image_id} in {self.evaluation_id}"
