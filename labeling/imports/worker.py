"""The worker side of an import: walks the encrypted ZIP and records what became of each file.

A scan and its line in the report are one transaction, and a file that was reported is never done again: so an import that was
killed resumes where it was.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

from django.db import DatabaseError, OperationalError, transaction

from images import renditions
from images.facts import said_pseudonym
from images.models import Image, ProjectClass
from images.services import exams, parse_facts
from labeling.imports import frames, manifest, zipfiles
from labeling.imports.archive import Archive, ArchiveError, Entry, EntryRefused
from labeling.imports.layout import Place, arrange, file_name, is_system_file
from labeling.imports.report import Outcome, Report
from labeling.imports.stream import Delivery, Parcel, Stream
from labeling.models import Import, Label
from mediscan_site.core import audit, work
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import DomainError, Unavailable, is_full
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keyfile import KeysError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    """One file to be taken in: where it is, its entry and its row of the labels file."""

    place: Place
    entry: Entry
    row: manifest.Row | None


def run(pk: int) -> None:
    """Do the import `pk` if it is queued. Ends it as succeeded, failed (with a reason for people) or cancelled."""
    zipfiles.destroy_left_behind()
    attempt = None if work.waits_for_room(Import, pk) else work.claim(Import, pk)
    if attempt is None:
        return
    batch = Import.objects.select_related("project", "created_by", "blob").get(pk=pk)
    try:
        with work.keep_alive(Import, pk, attempt) as pulse:
            _Walk(batch, pulse).run()
    except (DatabaseError, OSError, Unavailable, KeysError, ForeignStore) as error:
        _interrupted(batch, attempt, error)
    except work.Stopped:
        _end(batch, attempt, WorkStatus.CANCELLED)
    except ArchiveError as error:
        _end(batch, attempt, WorkStatus.FAILED, str(error))
    except DamagedObject:
        _end(batch, attempt, WorkStatus.FAILED, "The stored ZIP is damaged. Send it again.")
    except Exception as error:
        log.exception("Import %s failed", pk)
        _end(batch, attempt, WorkStatus.FAILED, work.describe_failure(error))
    else:
        _end(batch, attempt, WorkStatus.SUCCEEDED)


def _interrupted(batch: Import, attempt: int, error: Exception) -> None:
    """What keeps the site from going on for a while ends no import."""
    log.warning("Import %s is interrupted", batch.pk, exc_info=error)
    if is_full(error):
        work.pause(Import, batch.pk, attempt)
    elif not isinstance(error, OperationalError | Unavailable | KeysError | ForeignStore):
        _end(batch, attempt, WorkStatus.FAILED, work.describe_failure(error))
    # Else the database, the decoder or the site's keys are away for a moment: the row falls silent and is given out again.


@done_again
def _end(batch: Import, attempt: int, status: WorkStatus, error: str = "") -> None:
    """Close the row. The ZIP is destroyed: it holds what its scans were stripped of (raw patient ids, file metadata)."""
    with transaction.atomic():
        if not work.finish(Import, batch.pk, attempt, status=status, error=error, blob=None):
            return
        audit.record(
            "import.finish", actor=batch.created_by, obj=batch, project=batch.project_id, details={"status": status}
        )
        zipfiles.destroy(batch)


class _Walk:
    """One attempt at one import."""

    def __init__(self, batch: Import, pulse: work.Pulse) -> None:
        self.batch, self.pulse, self.report = batch, pulse, Report(batch)
        rows = ProjectClass.objects.filter(project=batch.project).order_by("position")
        self.classes = {row.name: row for row in rows}
        self.active = [row.name for row in rows if row.retired_at is None]

    def run(self) -> None:
        stream = zipfiles.open_zip(self.batch)
        if stream is None:
            raise ArchiveError("The stored ZIP is gone. Send it again.")
        with stream as source:
            self._walk(Archive(source, zipfiles.limits()))

    def _walk(self, archive: Archive) -> None:
        entries = {entry.path: entry for entry in reversed(archive.entries) if not is_system_file(entry.path)}
        self._report_refused(archive.entries)
        layout = arrange([path for path, entry in reversed(entries.items()) if not entry.refusal], self.classes)
        rows = self._labels(archive, entries, layout.labels_file, layout.places)
        tasks = [_Task(place, entries[place.path], rows.get(place.path)) for place in layout.places]
        todo = [task for task in tasks if not self.report.is_done(task.place.path)]
        self.report.flush()
        total = len(self.report) + len(todo)
        Import.objects.filter(pk=self.batch.pk).update(total=total)
        with Stream(
            actor=self.batch.created_by,
            project=self.batch.project,
            source=Label.Source.IMPORT,
            report=self._write_report,
        ) as stream:
            for task in todo:
                self._go_on(min(1.0, len(self.report) / total))
                self._take(archive, stream, task)
            stream.finish()
        self.report.flush()
        # A file that was split has a line for each frame.
        Import.objects.filter(pk=self.batch.pk).update(total=len(self.report))

    def _go_on(self, progress: float) -> None:
        if self.pulse.should_stop():
            raise work.Stopped
        self.pulse.progress(progress)

    def _report_refused(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            hidden = is_system_file(entry.path) and (entry.refusal is None or entry.refusal.code != "unsafe_path")
            if entry.refusal and not hidden:
                self._refused(entry.path, entry.refusal)

    def _labels(
        self, archive: Archive, entries: Mapping[str, Entry], path: str | None, places: Sequence[Place]
    ) -> dict[str, manifest.Row]:
        """Path to row of the labels file; what is wrong with the file or its rows is reported, and the scans still come in."""
        if path is None:
            return {}
        try:
            data = archive.read(entries[path], limit=manifest.MAX_BYTES)
            rows, problems = manifest.match(manifest.parse(path, data), places)
        except EntryRefused as error:
            self._refused(path, error)
            return {}
        except manifest.ManifestError as error:
            self._refused(path, EntryRefused("invalid_labels_file", str(error)))
            return {}
        for problem in problems:
            where = f"{path}, row {problem.number}: {problem.image_id}"
            self._refused(where, EntryRefused(problem.code, problem.detail), said=problem.values)
        return rows

    def _take(self, archive: Archive, stream: Stream, task: _Task) -> None:
        """Read one file and send it off; its outcome comes to `_write_report`."""
        path = task.place.path
        try:
            if task.place.problem:
                raise EntryRefused(*task.place.problem)
            wanted = self._class_of(task)
            values = task.row.values if task.row else {}
            parcel = Parcel(
                data=archive.read(task.entry),
                file_name=file_name(path),
                facts=parse_facts(values),
                label_class=wanted,
                split=values.get("split") or task.place.split,
                external_id=values.get("external_id"),
                tag=path,
            )
            for part in self._parts(parcel) if self.batch.split_frames else [parcel]:
                if not self.report.is_done(part.tag):
                    stream.add(part)
        except Unavailable:
            # No fault of this file: the whole import waits.
            raise
        except (EntryRefused, DomainError) as error:
            self._refused(path, error, said=task.row.values if task.row else {})

    def _parts(self, whole: Parcel) -> Iterator[Parcel]:
        """The frames of a file, each a parcel; the file itself when it has but one."""
        files = renditions.split(whole.data)
        first, second = next(files), next(files, None)
        if second is None:
            yield whole
            return
        common = frames.of_one_patient(self.batch.project, whole)
        for number, data in enumerate(chain((first, second), files), 1):
            yield frames.frame(common, number, data)

    def _class_of(self, task: _Task) -> ProjectClass | None:
        """The class of a file: its row of the labels file, else its folder. EntryRefused for one the project does not have."""
        row, folder = task.row, task.place.class_name
        value = row.values.get("label", "") if row else ""
        name = manifest.class_of(value, self.active) or (value if value in self.classes else None)
        if value and name is None:
            raise self._unknown(f"row {row.number if row else 0} of the labels file says '{value}'")
        if not value and folder is not None and folder not in self.classes:
            raise self._unknown(f"its folder is '{folder}'")
        if name and folder in self.classes and folder != name:
            detail = f"The folder says '{folder}', the labels file '{name}'. The labels file was followed."
            self.report.add(task.place.path, Outcome.WARNING, "folder_conflict", detail)
        chosen = name or folder
        return self.classes[chosen] if chosen else None

    def _unknown(self, what: str) -> EntryRefused:
        known = ", ".join(self.active)
        return EntryRefused("unknown_class", f"The project has no such class: {what}. Its classes are: {known}.")

    def _write_report(self, group: Sequence[Delivery]) -> None:
        """In the transaction that saves the scans: a scan is stored and reported, or neither."""
        for delivery in group:
            if delivery.error is not None:
                facts = delivery.came.facts if delivery.came else delivery.parcel.facts
                said = {"patient": facts.patient or "", "pseudonym": facts.pseudonym or ""}
                self._refused(delivery.parcel.tag, delivery.error, said=said)
            elif delivery.image is not None:
                self._taken(delivery, delivery.image)
        self.report.flush()

    def _refused(
        self, path: str, error: EntryRefused | DomainError, *, said: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`said`: what the labels file says about it."""
        patient = said_pseudonym(self.batch.project_id, said)
        self.report.add(path, Outcome.REJECTED, error.code, error.detail, patient=patient)

    def _remarks(self, delivery: Delivery, image: Image) -> Sequence[exams.Remark]:
        if delivery.created:
            return image.remarks
        return exams.contradictions(self.batch.project, image, delivery.parcel.facts)

    def _taken(self, delivery: Delivery, image: Image) -> None:
        path, wanted = delivery.parcel.tag, delivery.parcel.label_class
        for remark in self._remarks(delivery, image):
            self.report.add(path, Outcome.WARNING, remark.code, remark.detail, image)
        if delivery.created:
            self.report.add(path, Outcome.CREATED, "", "", image)
            return
        if wanted is not None and image.label_class_id != wanted.pk:
            has = image.label_class.name if image.label_class else "ungradable"
            detail = (
                f"The scan was already here with the label '{has}', which it keeps; the import says '{wanted.name}'."
            )
            self.report.add(path, Outcome.WARNING, "label_conflict", detail, image)
        self.report.add(path, Outcome.DUPLICATE, "", f"The project already has this file as {image.code}.", image)
