"""A scan comes in: checked, decoded in the pool, encrypted, and only then saved in one short transaction.

The steps are separate so that an import can decode and encrypt some scans while it saves others: `arrival` (what came, what is
said about it, whose it is), `keep` (decode and store the bytes; needs no database), `insert` (the rows). `store_scan` does all
of it for one file.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from django.conf import settings
from django.db import IntegrityError, transaction

from images import mixed_studies, policies
from images.models import Deidentification, FrameChoice, FrameSource, Image, Metadata, Project, Rendition, Split
from images.naming_index import index_names
from images.scan_facts import METADATA_FIELDS, ScanFacts
from images.services import arrivals, identities
from images.services.exams import contradictions
from images.services.incoming import Told, identify
from images.services.keeping import Arrival, Kept, keep, settle, undone_by_error, wants_views
from mediscan_site.core import audit, text
from mediscan_site.core.database import insert_all, save_all
from mediscan_site.core.errors import Conflict, TooLarge
from mediscan_site.core.models import User

__all__ = [
    "Arrival",
    "Kept",
    "arrival",
    "identified",
    "insert",
    "keep",
    "received",
    "refuse_taken",
    "settle",
    "store_scan",
    "wants_views",
]
MAX_EXTERNAL_ID = 128


def store_scan(
    *,
    actor: User,
    project: Project,
    source: BinaryIO,
    file_name: str,
    facts: ScanFacts,
    split: str | None = None,
    external_id: str | None = None,
    then: Callable[[Image], None] | None = None,
) -> tuple[Image, bool]:
    """The scan and whether it is new: the same received bytes in the project are the same scan, even when uploads race.
    `then` runs on a new scan in the transaction that saves it. `remarks` of the scan: what a person should look at.

    Invalid (attr `file`) for what gives no picture, TooLarge, Conflict `external_id_taken`."""
    policies.require(actor, "upload_image", project)
    arrived = arrival(source=source, file_name=file_name, facts=facts, split=split, external_id=external_id)
    if existing := received(project, [arrived.sha256]).get(arrived.sha256):
        return _seen_again(project, existing, facts), False
    refuse_taken(project, arrived.external_id)
    stored = keep(project, identified(project, arrived), aside=True, learning=wants_views(project))
    try:
        with undone_by_error(stored.discard), transaction.atomic():
            image = insert(actor, project, [stored])[0]
            if then is not None:
                then(image)
            settle([stored])
        return image, True
    except IntegrityError:
        if winner := received(project, [arrived.sha256]).get(arrived.sha256):
            return _seen_again(project, winner, facts), False
        refuse_taken(project, arrived.external_id)
        raise


def _seen_again(project: Project, image: Image, facts: ScanFacts) -> Image:
    image.remarks = contradictions(project, image, facts)
    return image


def arrival(
    *,
    source: BinaryIO,
    file_name: str,
    facts: ScanFacts,
    split: str | None = None,
    external_id: str | None = None,
    frame: int | None = None,
) -> Arrival:
    """Read and check what came. `frame`: its place in the file it was split from, from 1. TooLarge, Invalid (attr names
    what is wrong)."""
    stated: dict[str, Any] = {"split": parse_split(split), "external_id": parse_external_id(external_id)}
    data = _read(source)
    digest = hashlib.sha256(data).hexdigest()
    return Arrival(data=data, sha256=digest, file_name=text.file_name(file_name), facts=facts, frame=frame, **stated)


def identified(project: Project, came: Arrival, told: Told | None = None) -> Arrival:
    """The same with its patient. `told`: what `told_by` gave. Invalid (attr `file`) for a DICOM file that cannot be read."""
    found = identify(project, came.data, came.facts, told)
    return replace(came, facts=found.facts, patient=found.patient, exam=found.exam, remarks=found.remarks)


def parse_split(value: Any) -> str | None:
    return text.choice(value, attr="split", choices=Split.values)


def parse_external_id(value: Any) -> str | None:
    return text.line(value, attr="external_id", max_length=MAX_EXTERNAL_ID) or None


def refuse_taken(project: Project, external_id: str | None, *, besides: int | None = None) -> None:
    """Conflict when another scan of the project has this external id."""
    if external_id is None:
        return
    others = Image.objects.filter(project=project, external_id=external_id)
    if (others.exclude(pk=besides) if besides is not None else others).exists():
        raise Conflict(
            f"Another scan of this project has the external_id '{external_id}'.",
            code="external_id_taken",
            attr="external_id",
        )


def _read(source: BinaryIO) -> bytes:
    """All bytes of the file. The limit counts what is really read."""
    data = source.read(settings.MAX_SCAN_BYTES + 1)
    if len(data) > settings.MAX_SCAN_BYTES:
        raise TooLarge(
            f"The file is larger than {settings.MAX_SCAN_BYTES / 2**20:g} MiB. "
            "Export the scan at a smaller size and upload that file.",
            attr="file",
        )
    return data


def received(project: Project, digests: Sequence[str]) -> dict[str, Image]:
    """The project's scans that came with these bytes, by digest."""
    rows = Image.objects.filter(project=project, received_sha256__in=digests)
    # First only the keys: nearly always there are none, and then the forty columns of a scan need not be read.
    keys = list(rows.values_list("pk", flat=True))
    return {str(image.received_sha256): image for image in Image.objects.filter(pk__in=keys)} if keys else {}


def insert(actor: User, project: Project, scans: Sequence[Kept]) -> list[Image]:
    """Save scans whose bytes are stored, with one audit event each, inside the caller's transaction.

    IntegrityError when one of them is already here or its external id is taken: then none may stay."""
    insert_all([blob for scan in scans for blob in scan.blobs()])
    images = [_new_row(actor, project, scan) for scan in scans]
    save_all(images)
    index_names(images)
    mixed_studies.note([image.pk for image in images if image.study and image.patient])
    pairs = list(zip(images, scans, strict=True))
    save_all(
        [
            Metadata(image=image, **{name: getattr(scan.incoming.facts, name) for name in METADATA_FIELDS})
            for image, scan in pairs
        ]
    )
    insert_all(
        [
            Deidentification(image=image, profile=made.profile, actions=list(made.actions))
            for image, made in ((image, scan.incoming.decoded) for image, scan in pairs)
            if made.profile
        ]
    )
    insert_all(
        [
            FrameChoice(image=image, frames=[scan.incoming.decoded.named_frame], source=FrameSource.FILE)
            for image, scan in pairs
            if scan.incoming.decoded.named_frame
        ]
    )
    for scan in scans:
        identities.remember(project.pk, scan.arrival.patient, scan.arrival.facts.patient)
    insert_all(
        [Rendition(image=image, kind=kind, blob=blob) for image, scan in pairs for kind, blob in scan.derived.items()]
    )
    audit.record_many(
        "scan.upload",
        actor=actor,
        project=project.pk,
        about=[(image, _said(image)) for image in images],
    )
    arrivals.tell(actor, project, images)
    return images


def _said(image: Image) -> dict[str, Any]:
    details = {"format": image.image_format, "size": image.size}
    return {**details, "hold": image.hold} if image.hold else details


def _new_row(actor: User, project: Project, kept: Kept) -> Image:
    """All but DICOM is kept bit-exact: there the stored bytes are the received ones."""
    arrived, decoded = kept.arrival, kept.incoming.decoded
    image = Image(
        project=project,
        uploaded_by=actor,
        file_name=arrived.file_name,
        blob=kept.original,
        image_format=decoded.format,
        width=decoded.width,
        height=decoded.height,
        size=len(kept.incoming.stored),
        bits=decoded.bits,
        frames=decoded.frames,
        notes=[*decoded.notes, *(remark.detail for remark in arrived.remarks)],
        phash=decoded.phash,
        modality=kept.incoming.facts.modality or project.modality,
        patient=arrived.patient,
        **arrived.exam,
        split=arrived.split,
        external_id=arrived.external_id,
        frame=arrived.frame,
        hold=decoded.hold,
        received_sha256=arrived.sha256,
        sha256=kept.original.sha256,
    )
    image.remarks = arrived.remarks
    return image
