"""What this app keeps of a scan that is erased for good: that it was graded and by which model, no picture and no free text."""

from images.models import Image
from images.services import on_erase
from mediscan_site.core.http.idempotency import forget_answers
from mediscan_site.core.models import Blob
from models_registry.models import BlindRead, Feedback, Grade

ERASED = "(erased)"


@on_erase
def forget(image: Image) -> list[Blob]:
    """Drop the heat maps of the scan and return them for destruction; doctors' remarks are removed too."""
    grades = Grade.objects.filter(image=image)
    drawn = grades.filter(heatmap__isnull=False).select_related("heatmap")
    doomed = [grade.heatmap for grade in drawn if grade.heatmap]
    forget_answers(*(f'"grade":{pk},' for pk in grades.values_list("pk", flat=True)))
    grades.update(heatmap=None)
    Feedback.objects.filter(grade__image=image).exclude(comment="").update(comment=ERASED)
    BlindRead.objects.filter(grade__image=image).exclude(ungradable_reason="").update(ungradable_reason=ERASED)
    return doomed
