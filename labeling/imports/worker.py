"""The worker side of an import: walks the encrypted ZIP and records what became of each file.

A scan and its line in the report are one transaction, and a file that was reported is never done again: so an import that was
killed resumes where it was.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Final

from django.db import DatabaseError, OperationalError, transaction

from images import renditions
from images.facts import said_pseudonym
from images.models import Image, ProjectClass
from images.services import exams, parse_facts
from images.services.meaning import Classes
from labeling.imports import frames, zipfiles
from labeling.imports.archive import Archive, ArchiveError, EntryRefused
from labeling.imports.asked import Asked
from labeling.imports.kinds import META_BYTES, Kind
from labeling.imports.layout import file_name
from labeling.imports.plan import Note, Plan, Taken, Task, make_plan
from labeling.imports.report import Outcome, Report
from labeling.imports.stream import Delivery, Parcel, Stream
from labeling.models import Import, ImportFile, Label
from mediscan_site.core import audit, numbers, pausing, work
from mediscan_site.core.again import done_again
from mediscan_site.core.errors import DomainError, Unavailable, is_full
from mediscan_site.core.models import WorkStatus
from mediscan_site.core.storage.envelope import DamagedObject
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keyfile import KeysError

log = logging.getLogger(__name__)
# Problems of a labels file that cost no row.
REMARKS: Final = {"guessed_encoding": Outcome.WARNING, "unused_table": Outcome.NOTE}


def run(pk: int) -> None:
    """Do the import `pk` if it is queued. Ends it as succeeded, failed (with a reason for people) or cancelled."""
    zipfiles.destroy_left_behind()
    attempt = None if pausing.waits_for_room(Import, pk) else work.claim(Import, pk)
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
        pausing.pause(Import, batch.pk, attempt)
    elif not isinstance(error, OperationalError | Unavailable | KeysError | ForeignStore):
        _end(batch, attempt, WorkStatus.FAILED, work.describe_failure(error))
    # Else the database, the decoder or the site's keys are away for a moment: the row falls silent and is given out again.


@done_again
def _end(batch: Import, attempt: int, status: WorkStatus, error: str = "") -> None:
    """Close the row. The ZIP is destroyed: it holds what its scans were stripped of (raw patient ids, file metadata)."""
    with transaction.atomic():
        if not work.finish(Import, batch.pk, attempt, status=status, error=error, blob=None):
            return
        numbers.keep(batch, ImportFile.objects.all())
        audit.record(
            "import.finish", actor=batch.created_by, obj=batch, project=batch.project_id, details={"status": status}
        )
        zipfiles.destroy(batch)


class _Walk:
    """One attempt at one import."""

    def __init__(self, batch: Import, pulse: work.Pulse) -> None:
        self.batch, self.pulse, self.report = batch, pulse, Report(batch)
        self.noted: set[str] = set()
        self.classes = {row.name: row for row in ProjectClass.objects.filter(project=batch.project)}

    def run(self) -> None:
        stream = zipfiles.open_zip(self.batch)
        if stream is None:
            raise ArchiveError("The stored ZIP is gone. Send it again.")
        with stream as source:
            classes = Classes.of(self.batch.project)
            asked = Asked(self.batch.dialect, self.batch.finding)
            self._walk(make_plan(Archive(source, zipfiles.limits(), classes.names), classes, asked))

    def _walk(self, plan: Plan) -> None:
        self._report_plan(plan)
        todo = [task for task in plan.tasks if not self.report.is_done(task.path)]
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
                self._take(plan, stream, task)
            stream.finish()
        self.report.flush()
        # A file that was split has a line for each frame; what was passed over is not counted.
        Import.objects.filter(pk=self.batch.pk).update(total=len(self.report))

    def _go_on(self, progress: float) -> None:
        if self.pulse.should_stop():
            raise work.Stopped
        self.pulse.progress(progress)

    def _report_plan(self, plan: Plan) -> None:
        """What is known before the first file is read; the scans still come in, whatever is wrong with the labels file."""
        for path, refusal in plan.refused:
            self._refused(path, refusal)
        for problem in plan.known.problems:
            row = f", row {problem.number}: {problem.image_id}" if problem.number else ""
            if problem.code in REMARKS:
                self.report.add(problem.file, REMARKS[problem.code], problem.code, problem.detail)
            else:
                self._refused(f"{problem.file}{row}", EntryRefused(problem.code, problem.detail), said=problem.values)
        if plan.code_page:
            detail = (
                f"The names in the ZIP are not UTF-8. They were read as code page {plan.code_page}, in which they fit."
            )
            self.report.add(self.batch.file_name, Outcome.NOTE, "code_page", detail)

    def _take(self, plan: Plan, stream: Stream, task: Task) -> None:
        """Read one file and send it off; its outcome comes to `_write_report`."""
        path, said = task.path, task.stated.values if task.stated else {}
        try:
            head = plan.source.head(task.entry, META_BYTES) if plan.needs_head(task) else None
            taken = plan.settle(task, head)
            if isinstance(taken, Kind):
                self.report.add(path, Outcome.PASSED_OVER, taken.name.lower(), f"Passed over: {taken}.")
                return
            parcel = self._parcel(plan, task, taken)
            self._remark(path, taken.notes)
            self._note_folder(plan.unlabelled_folder(task, taken))
            for part in self._parts(parcel) if self.batch.split_frames else [parcel]:
                if not self.report.is_done(part.tag):
                    stream.add(part)
        except Unavailable:
            # No fault of this file: the whole import waits.
            raise
        except (EntryRefused, DomainError) as error:
            self._refused(path, error, said=said)

    def _remark(self, path: str, notes: Sequence[Note]) -> None:
        """One line for each code: several of a kind are one sentence after the other."""
        sentences: dict[str, list[str]] = {}
        for code, detail in notes:
            sentences.setdefault(code, []).append(detail)
        for code, details in sentences.items():
            self.report.add(path, Outcome.WARNING, code, " ".join(details))

    def _note_folder(self, folder: str | None) -> None:
        if folder is not None and folder not in self.noted:
            self.noted.add(folder)
            detail = "This folder is no class, unlike others here: its DICOM files came in without a label."
            self.report.add(f"{folder}/", Outcome.NOTE, "folder_without_class", detail)

    def _parcel(self, plan: Plan, task: Task, taken: Taken) -> Parcel:
        return Parcel(
            data=plan.source.read(task.entry),
            file_name=file_name(task.path),
            facts=parse_facts(taken.values),
            label_class=self.classes[taken.label] if taken.label else None,
            split=taken.split,
            external_id=taken.values.get("external_id"),
            tag=task.path,
        )

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
            about, scan = (self.batch.file_name, None) if remark.of_all else (path, image)
            self.report.add(about, Outcome.WARNING, remark.code, remark.detail, scan)
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
