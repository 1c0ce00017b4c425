"""Scans coming in with what is already known about them: one file, or a ZIP of many."""

from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import transaction

from images.models import Image, LabelStatus, Project, ProjectClass
from images.services import ScanFacts, store_scan
from images.services.meaning import Classes
from labeling.imports import dialects
from labeling.imports.archive import Archive, ArchiveError
from labeling.imports.asked import MAX_FINDING, Finding
from labeling.imports.texts import ManifestError
from labeling.imports.zipfiles import limits
from labeling.models import Import, Label
from labeling.policies import require, require_class
from labeling.reading.labels import label_fresh, label_scan
from labeling.zipstream import folder_zip, reader
from mediscan_site.core import audit, shares, text, work
from mediscan_site.core.errors import Invalid, TooLarge
from mediscan_site.core.models import User
from mediscan_site.core.storage import blobs, room

ZIP_TYPE = "application/zip"


def upload_scan(
    *,
    actor: User,
    project: Project,
    source: BinaryIO,
    file_name: str,
    facts: ScanFacts,
    label_class: ProjectClass | None = None,
    split: str | None = None,
    external_id: str | None = None,
    label_source: Label.Source = Label.Source.DOCTOR,
) -> tuple[Image, bool]:
    """Store a scan and, with a class, label it as the actor. A scan that was already there keeps its label.

    Returns the scan and whether it is new. The label is checked before anything is stored."""
    require(actor, "upload_image", project)
    if label_class is not None:
        require(actor, "label_image", project)
        require_class(project, label_class)

    def label(image: Image) -> None:
        if label_class is not None:
            label_fresh(actor=actor, project=project, pairs=[(image, label_class)], source=label_source)

    image, created = store_scan(
        actor=actor,
        project=project,
        source=source,
        file_name=file_name,
        facts=facts,
        split=split,
        external_id=external_id,
        then=label,
    )
    if label_class is not None and image.label_status == LabelStatus.UNLABELED:
        remarks = image.remarks
        image = label_scan(actor=actor, image=image, label_class=label_class, source=label_source).image
        image.remarks = remarks
    return image, created


def start_import(
    *,
    actor: User,
    project: Project,
    source: BinaryIO,
    file_name: str,
    split_frames: bool = False,
    dialect: str = dialects.AUTO,
    finding: str = "",
) -> Import:
    """Store the ZIP (encrypted) and queue the work on it. What is not a ZIP is refused at once: Invalid, attr `file`."""
    require_import(actor, project)
    shares.require_room(Import, actor)
    require_zip(source)
    batch = Import(
        project=project,
        created_by=actor,
        file_name=text.file_name(file_name),
        split_frames=split_frames,
        dialect=dialect,
        finding=parse_finding(project, finding),
    )
    return _keep(batch, source)


def start_folder_import(
    *,
    actor: User,
    project: Project,
    folder: Path,
    split_frames: bool = False,
    dialect: str = dialects.AUTO,
    finding: str = "",
) -> Import:
    """Like `start_import`, for a folder that this machine can read: it is packed on the way in."""
    require_import(actor, project)
    room.require()
    if not any(path.is_file() for path in folder.rglob("*")):
        raise Invalid(f"The folder {folder} holds no files.", attr="path", code="empty")
    name = text.file_name(f"{folder.name}.zip")
    options = {"split_frames": split_frames, "dialect": dialect, "finding": parse_finding(project, finding)}
    batch = Import(project=project, created_by=actor, file_name=name, **options)
    return _keep(batch, reader(folder_zip(folder)))


def require_import(actor: User, project: Project) -> None:
    """An import uploads and labels."""
    require(actor, "upload_image", project)
    require(actor, "label_image", project)


def parse_finding(project: Project, value: str) -> str:
    """The finding that labels files are asked for; empty for none. Invalid where the project's classes cannot hold the answer."""
    finding = text.line(value, attr="finding", max_length=MAX_FINDING) or ""
    try:
        Finding.of(finding, Classes.of(project))
    except ManifestError as error:
        raise Invalid(str(error), attr="finding") from error
    return finding


def require_zip(source: BinaryIO) -> None:
    """Refuse what is not a ZIP, or one without files. Only its directory is read."""
    if source.seek(0, 2) > settings.MAX_IMPORT_BYTES:
        raise TooLarge(f"The ZIP is larger than {settings.MAX_IMPORT_BYTES} bytes. Split it.", attr="file")
    try:
        archive = Archive(source, limits())
    except ArchiveError as error:
        raise Invalid(str(error), attr="file", code="not_a_zip") from error
    if not archive.entries:
        raise Invalid("This ZIP holds no files.", attr="file", code="empty")
    source.seek(0)


def _keep(batch: Import, source: BinaryIO) -> Import:
    blob = blobs.write(source, namespace=blobs.namespace(batch.project_id), content_type=ZIP_TYPE)
    with blobs.discarded_on_failure(blob), transaction.atomic():
        blob.save(force_insert=True)
        batch.blob = blob
        queue_import(batch, size=blob.size)
    return batch


def queue_import(batch: Import, *, size: int) -> None:
    """Record the import of a ZIP of `size` bytes and wake a worker; in the caller's transaction, after its checks."""
    shares.take_turn(batch)
    batch.save(force_insert=True)
    details = {"bytes": size}
    audit.record("import.start", actor=batch.created_by, obj=batch, project=batch.project_id, details=details)
    work.wake(batch)
