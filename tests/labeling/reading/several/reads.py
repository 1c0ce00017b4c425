"""What several readers do."""

from images.models import Image, Project
from labeling.reading.labels import label_scan
from labeling.reading.queue import claim_scans


def said(scan, reader, name: str, **kwargs):
    return label_scan(actor=reader, image=scan, label_class=scan.project.class_rows.get(name=name), **kwargs)


def fresh(scan) -> Image:
    return Image.objects.select_related("label_class").get(pk=scan.pk)


def wanted(project, number: int) -> None:
    Project.objects.filter(pk=project.pk).update(reads_wanted=number)
    project.refresh_from_db()


def claimed(actor, project, task: str = "label", **kwargs) -> list[int]:
    return [lease.image_id for lease in claim_scans(actor=actor, project=project, task=task, **kwargs)]
