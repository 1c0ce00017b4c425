"""What this app keeps of a scan that is erased for good: its history of labels and decisions, nothing that reveals its content."""

import json
from collections.abc import Collection
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from images.models import Image, Project
from images.services import on_erase, on_erase_patient
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
from labeling.reading.again import forget as forget_gold
from mediscan_site.core import tidy
from mediscan_site.core.http.idempotency import forget_answers
from mediscan_site.core.models import Blob

ERASED = "(erased)"
# Lines of files that became no scan: nobody can tell later whose they were.
NAMES_KEPT = timedelta(days=30)


@on_erase
def forget(image: Image) -> list[Blob]:
    """Remove file names, free text and digests, and every exported ZIP that may hold the scan."""
    _forget_reports(image)
    Label.objects.filter(image=image).exclude(comment="").update(comment=ERASED)
    Label.objects.filter(image=image).exclude(ungradable_reason="").update(ungradable_reason=ERASED)
    Review.objects.filter(image=image).exclude(comment="").update(comment=ERASED)
    SnapshotMember.objects.filter(image=image).update(sha256="", frames=[])
    SnapshotMember.objects.filter(image=image, group__startswith="patient:").update(group=f"scan:{image.pk}")
    Lease.objects.filter(image=image).delete()
    QueueScore.objects.filter(image=image).delete()
    LabelDoubt.objects.filter(image=image).delete()
    forget_gold(image)
    return leave_exports(image)


def _forget_reports(image: Image) -> None:
    """In the reports of imports: every line with this file's name, including lines of its labels file; and those of the same
    import that belong to no scan and nobody else, which may be about this patient."""
    for line in ImportFile.objects.filter(image=image).select_related("batch"):
        name = file_name(line.path)
        lines = ImportFile.objects.filter(batch=line.batch)
        nobodys = Q(image__isnull=True, patient="")
        lines.filter(Q(image=image) | Q(path__endswith=name) | nobodys).update(path=ERASED, detail="")
        others = lines.filter(image__erased_at__isnull=True, image__isnull=False).exclude(image=image)
        if line.batch.file_name != ERASED and not others.exists():
            _forget_name(line.batch)


@on_erase_patient
def forget_lines(project: Project, patient: Collection[str]) -> int:
    """Lines of reports without a scan whose row of a labels file names the patient."""
    lines = ImportFile.objects.filter(batch__project=project, patient__in=patient)
    return lines.update(path=ERASED, detail="", patient="")


@tidy.register
def forget_old_names() -> None:
    """What became no scan is out of reach of any erasure: its names go by themselves, those of whole imports too."""
    old = {"finished_at__lt": timezone.now() - NAMES_KEPT}
    lines = ImportFile.objects.filter(image__isnull=True, **{f"batch__{name}": value for name, value in old.items()})
    lines.exclude(path=ERASED).update(path=ERASED, detail="", patient="")
    for batch in Import.objects.filter(**old).exclude(file_name=ERASED).exclude(files__image__isnull=False):
        _forget_name(batch)


def _forget_name(batch: Import) -> None:
    """No scan of the import is left: the name of the ZIP may reveal whose they were."""
    forget_answers(f'"file_name":{json.dumps(batch.file_name, ensure_ascii=False)}')
    Import.objects.filter(pk=batch.pk).update(file_name=ERASED)
    ResumableUpload.objects.filter(batch=batch).update(file_name=ERASED)
