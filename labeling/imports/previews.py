"""Looking at a ZIP before it is imported. It is held, encrypted, like an upload that is complete: for a day, or until somebody
starts its import or gives it up. So nothing is sent twice."""

from pathlib import Path
from typing import BinaryIO

from django.db import transaction

from images.models import Project
from images.services.meaning import Classes
from labeling.imports import dialects
from labeling.imports.archive import Archive, ArchiveError
from labeling.imports.asked import Asked
from labeling.imports.folders import Folder
from labeling.imports.plan import Source, make_plan
from labeling.imports.preview import Preview, describe
from labeling.imports.services import parse_finding, require_import, require_zip
from labeling.imports.uploads import PART_TYPE, require_own, require_share
from labeling.imports.zipfiles import limits, open_pieces, pieces_of
from labeling.models import ResumableUpload, UploadPart
from mediscan_site.core import audit, text
from mediscan_site.core.errors import Conflict, Invalid
from mediscan_site.core.models import User
from mediscan_site.core.storage import blobs
from mediscan_site.core.storage.envelope import DamagedObject


def hold_zip(
    *,
    actor: User,
    project: Project,
    source: BinaryIO,
    file_name: str,
    split_frames: bool = False,
    dialect: str = dialects.AUTO,
    finding: str = "",
) -> ResumableUpload:
    """Keep a ZIP that came whole, to be looked at. What is not a ZIP is refused at once: Invalid, attr `file`."""
    require_import(actor, project)
    require_zip(source)
    upload = ResumableUpload(
        project=project,
        created_by=actor,
        file_name=text.file_name(file_name),
        split_frames=split_frames,
        dialect=dialect,
        finding=parse_finding(project, finding),
        preview=True,
    )
    blob = blobs.write(source, namespace=blobs.namespace(project.pk), content_type=PART_TYPE)
    with blobs.discarded_on_failure(blob), transaction.atomic():
        require_share(actor, 0)
        blob.save(force_insert=True)
        upload.size = upload.received = blob.size
        upload.save(force_insert=True)
        UploadPart.objects.create(upload=upload, offset=0, blob=blob)
        audit.record("upload.start", actor=actor, obj=upload, project=project.pk, details={"bytes": blob.size})
    return upload


def preview_upload(
    *, actor: User, upload: ResumableUpload, dialect: str | None = None, finding: str | None = None
) -> Preview:
    """What is understood of a ZIP that is here. Conflict while pieces are missing, or when its import was started."""
    require_own(actor, upload)
    if upload.batch is not None:
        raise Conflict("The import was started already. Look at its report.", code="upload_started")
    if upload.received < upload.size:
        detail = f"{upload.received} of {upload.size} bytes have arrived. Send the rest first."
        raise Conflict(detail, code="upload_incomplete")
    classes = Classes.of(upload.project)
    asked = Asked(dialect or upload.dialect, upload.finding if finding is None else finding)
    try:
        with open_pieces(pieces_of(pk=upload.pk)) as source:
            return preview_source(Archive(source, limits(), classes.names), classes, asked)
    except ArchiveError as error:
        raise Invalid(str(error), code="not_a_zip") from error
    except DamagedObject as error:
        raise Invalid("The stored ZIP is damaged. Send it again.", code="not_a_zip") from error


def preview_path(
    *, actor: User, project: Project, path: Path, dialect: str = dialects.AUTO, finding: str = ""
) -> Preview:
    """The same for a folder or ZIP that this machine can read. Nothing is stored."""
    require_import(actor, project)
    classes, asked = Classes.of(project), Asked(dialect, finding)
    if path.is_dir():
        return preview_source(Folder(path), classes, asked)
    with path.open("rb") as source:
        require_zip(source)
        try:
            return preview_source(Archive(source, limits(), classes.names), classes, asked)
        except ArchiveError as error:
            raise Invalid(str(error), code="not_a_zip") from error


def preview_source(source: Source, classes: Classes, asked: Asked) -> Preview:
    return describe(make_plan(source, classes, asked, exact=False))
