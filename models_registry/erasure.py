"""What this app keeps of a scan that is erased for good: that it was graded and by which model, no picture and no free text."""

from images.models import Image
from images.services import on_erase
from mediscan_site.core.http.idempotency import forget_answers
from mediscan_site.core.models import Blob
from models_registry.grades.referrals import close_for
from models_registry.models import BlindRead, Feedback, Grade, GradeBatchItem, Referral, ReferralRead, ScanAnswer
from models_registry.versions import summaries

ERASED = "(erased)"


@on_erase
def forget(image: Image) -> list[Blob]:
    """Drop the heat maps of the scan and return them for destruction; doctors' remarks are removed too, and nobody is asked to
    read it any more."""
    grades = Grade.objects.filter(image=image)
    drawn = grades.filter(heatmap__isnull=False).select_related("heatmap")
    doomed = [grade.heatmap for grade in drawn if grade.heatmap]
    forget_answers(*(f'"grade":{pk},' for pk in grades.values_list("pk", flat=True)))
    grades.update(heatmap=None)
    Feedback.objects.filter(grade__image=image).exclude(comment="").update(comment=ERASED)
    close_for(image.pk, Referral.Outcome.ERASED)
    reads = ReferralRead.objects.filter(referral__image=image)
    reads.exclude(comment="").update(comment=ERASED)
    reads.exclude(ungradable_reason="").update(ungradable_reason=ERASED)
    GradeBatchItem.objects.filter(image=image).exclude(detail="").update(detail=ERASED)
    BlindRead.objects.filter(grade__image=image).exclude(ungradable_reason="").update(ungradable_reason=ERASED)
    return doomed + _answers_of(image)


def _answers_of(image: Image) -> list[Blob]:
    """What versions said of it when they were evaluated is gone; the figures of those evaluations stay as they were measured."""
    rows = ScanAnswer.objects.filter(image=image)
    drawn = rows.filter(heatmap__isnull=False).select_related("heatmap")
    doomed = [row.heatmap for row in drawn if row.heatmap]
    readings = set(rows.values_list("evaluation", flat=True))
    summaries.forget(readings)
    rows.delete()
    return doomed
