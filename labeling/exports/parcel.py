"""A data set to be exported: a ZIP in the layout that an import reads. Imported into an empty project it gives the same scans,
labels, splits and patients (as pseudonyms)."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from images.covering import cover
from images.models import Image, Project
from images.services.outgoing import outgoing
from labeling.exports import text as export_text
from labeling.imports.layout import is_system_file
from labeling.imports.splits import SPLITS
from labeling.models import Export, Snapshot, SnapshotMember
from labeling.policies import require
from labeling.zipstream import zip_stream
from mediscan_site.core import audit
from mediscan_site.core.errors import NotFound
from mediscan_site.core.models import User
from mediscan_site.core.storage.envelope import DamagedObject

CHUNK: Final = 200
Files = Iterator[tuple[str, bytes]]


class ScanUnreadable(Exception):
    """A scan cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Leaving:
    """A scan with its label and split: as a snapshot froze them, or as they are now. Empty: none."""

    image: Image
    label: str
    split: str


@dataclass
class Parcel:
    """What goes into one ZIP. `name`: its top folder. `done` is called with the number of scans that have gone in. `reader`: whom
    it says no more than their pages do; None: all."""

    name: str
    project: Project
    snapshot: Snapshot | None
    scans: Callable[[], Iterator[Leaving]]
    remake: bool = False
    reader: User | None = None
    done: Callable[[int], None] = lambda number: None
    paths: dict[int, str] = field(default_factory=dict)
    remade: list[str] = field(default_factory=list)

    def files(self) -> Files:
        """(path, content), one after the other; never more than one scan is held. Raises ScanUnreadable."""
        text = io.StringIO(newline="")
        labels = csv.writer(text)
        labels.writerow(export_text.HEADER)
        for scan in self.scans():
            made = self._read(scan.image)
            if made is None:
                continue
            path = path_of(scan, made[1])
            self.paths[scan.image.pk] = path
            labels.writerow(export_text.labels_row(scan.image, path=path, label=scan.label, split=scan.split))
            yield f"{self.name}/{path}", made[0]
            self.done(len(self.paths))
        yield f"{self.name}/labels.csv", text.getvalue().encode()
        yield f"{self.name}/labels_history.csv", export_text.history(self.paths, self.reader)
        facts = export_text.facts(self.project, self.snapshot, scans=len(self.paths), remade=self.remade)
        yield f"{self.name}/metadata.json", json.dumps(facts, indent=2, ensure_ascii=False).encode()
        yield f"{self.name}/README.txt", export_text.notice(facts, self.snapshot).encode()

    def _read(self, image: Image) -> tuple[bytes, str] | None:
        """The bytes of a scan and its file extension; None when it was erased meanwhile."""
        try:
            content = outgoing(image, remake=self.remake)
        except (NotFound, DamagedObject) as error:
            if Image.objects.filter(pk=image.pk, erased_at__isnull=False).exists():
                return None
            raise ScanUnreadable(
                f"{image.code} cannot be read: its stored file is damaged. Ask an administrator to run verify_images and "
                "restore it from a backup, or to erase it; then export again."
            ) from error
        if content.remade and not self.remake:
            self.remade.append(image.code)
        return content.data, content.suffix


def of_snapshot(snapshot: Snapshot, *, files: str = Export.Files.ORIGINALS) -> Parcel:
    """The members of a snapshot that still exist."""
    return Parcel(
        snapshot.code, snapshot.project, snapshot, lambda: _members(snapshot), files == Export.Files.RENDITIONS
    )


def _members(snapshot: Snapshot) -> Iterator[Leaving]:
    rows = SnapshotMember.objects.filter(snapshot=snapshot, image__erased_at__isnull=True, image__hold="")
    rows = rows.select_related("image__metadata", "image__project", "image__blob", "label_class")
    for member in in_chunks(rows):
        yield Leaving(member.image, member.label_class.name, member.split)


def of_scans(name: str, project: Project, scans: Any, *, files: str, reader: User) -> Parcel:
    """The scans of a queryset as this reader sees them now. Those that are held back are left out."""
    rows = cover(scans.filter(hold="").select_related("metadata", "project", "blob", "label_class"), reader)

    def found() -> Iterator[Leaving]:
        for image in in_chunks(rows):
            yield Leaving(image, image.label_class.name if image.label_class else "", image.split or "")

    return Parcel(name, project, None, found, files == Export.Files.RENDITIONS, reader)


def in_chunks(rows: Any) -> Iterator[Any]:
    """The rows by key, a few at a time: a cursor held open for hours would block the whole database."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield from batch
        last = batch[-1].pk


def path_of(scan: Leaving, suffix: str) -> str:
    """`train/NORMAL/img000123.png`. A class that an import would not read as a folder's name is in labels.csv alone."""
    folders = [scan.split] if scan.split else []
    if scan.label and scan.label.lower() not in SPLITS and not is_system_file(f"{scan.label}/x"):
        folders.append(scan.label)
    return "/".join([*folders, f"{scan.image.code}.{suffix}"])


def export_snapshot(*, actor: User, snapshot: Snapshot, files: str = Export.Files.ORIGINALS) -> Iterator[bytes]:
    """The ZIP at once, piece by piece."""
    return zip_stream(export_files(actor=actor, snapshot=snapshot, files=files))


def export_files(*, actor: User, snapshot: Snapshot, files: str = Export.Files.ORIGINALS) -> Files:
    """The same as (path, content), one after the other. One audit event names the data set that left."""
    require(actor, "view_project", snapshot.project)
    with transaction.atomic():
        details: Mapping[str, Any] = {"members": sum(sum(row.values()) for row in snapshot.class_counts.values())}
        audit.record("snapshot.export", actor=actor, obj=snapshot, project=snapshot.project_id, details=dict(details))
    return of_snapshot(snapshot, files=files).files()
