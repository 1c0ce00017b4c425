"""What this app keeps of a scan that is erased for good: its history of labels and decisions, nothing that reveals its content."""

import json

from django.db.models import Q

from images.models import Image
from images.services import on_erase
from labeling.exports.services import leave_exports
from labeling.imports.layout import file_name
from labeling.models import (
    Import,
    ImportFile,
    Label,
    LabelDoubt,
    Lease,
    QueueScore,
    ResumableUpload,
    Review,
    SnapshotMember,
)
from mediscan_site.core.http.idempotency import forget_answers
from mediscan_site.core.models import Blob

ERASED = "(erased)"


@on_erase
def forget(image: Image) -> list[Blob]:
    """Remove file names, free text and digests, and every exported ZIP that may hold the scan."""
    _forget_reports(image)
    Label.objects.filter(image=image).exclude(comment="").update(comment=ERASED)
    Label.objects.filter(image=image).exclude(ungradable_reason="").update(ungradable_reason=ERASED)
    Review.objects.filter(image=image).exclude(comment="").update(comment=ERASED)
    SnapshotMember.objects.filter(image=image).update(sha256="")
    SnapshotMember.objects.filter(image=image, group__startswith="patient:").update(group=f"scan:{image.pk}")
    Lease.objects.filter(image=image).delete()
    QueueScore.objects.filter(image=image).delete()
    LabelDoubt.objects.filter(image=image).delete()
    return leave_exports(image)


def _forget_reports(image: Image) -> None:
    """In the reports of imports: every line with this file's name, including lines of its labels file."""
    for line in ImportFile.objects.filter(image=image).select_related("batch"):
        name = file_name(line.path)
        lines = ImportFile.objects.filter(batch=line.batch)
        lines.filter(Q(image=image) | Q(path__endswith=name)).update(path=ERASED, detail="")
        others = lines.filter(image__erased_at__isnull=True, image__isnull=False).exclude(image=image)
        if line.batch.file_name != ERASED and not others.exists():
            _forget_name(line.batch)


def _forget_name(batch: Import) -> None:
    """No scan of the import is left: the name of the ZIP may reveal whose they were."""
    forget_answers(f'"file_name":{json.dumps(batch.file_name, ensure_ascii=False)}')
    Import.objects.filter(pk=batch.pk).update(file_name=ERASED)
    ResumableUpload.objects.filter(batch=batch).update(file_name=ERASED)
