"""What this app keeps of a scan that is erased for good: nothing to look at."""

from images.models import Image
from images.services import on_erase
from mediscan_site.core.models import Blob
from training.models import ShownScan, TrainingRun


@on_erase
def forget(image: Image) -> list[Blob]:
    """Drop every contact sheet on which the scan is to be seen, and return them for destruction."""
    holding = TrainingRun.objects.filter(shown_scans__image=image, inputs_sheet__isnull=False)
    doomed = {run.pk: run.inputs_sheet for run in holding.select_related("inputs_sheet") if run.inputs_sheet}
    TrainingRun.objects.filter(pk__in=list(doomed)).update(inputs_sheet=None)
    ShownScan.objects.filter(run__in=list(doomed)).delete()
    return list(doomed.values())
