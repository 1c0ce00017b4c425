"""The worker side of a watched folder: files are taken in once they stop growing, and never moved, changed or deleted.

A file that was dealt with is remembered by a keyed digest of its path, its size and its time, so a restart reads nothing twice
and a refused file is tried again only when it has changed."""

import hmac
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from django.db import OperationalError
from django.utils import timezone

from images.decoding.formats import is_zip
from images.models import Image, Project, ProjectClass
from images.services import ScanFacts
from labeling.imports import selectors, worker
from labeling.imports.layout import LABELS_FILES, SIDE_NOTES, is_system_file
from labeling.imports.services import require_import, start_import, upload_scan
from labeling.imports.splits import split_of
from labeling.models import Import, ImportFile, Label, WatchedFile
from mediscan_site.core.errors import DomainError, Forbidden, Invalid, Unavailable
from mediscan_site.core.models import User
from mediscan_site.core.storage import ring

Outcome = ImportFile.Outcome
# Names that senders use until a file is whole.
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload")
NO_LABELS_FILE = "A labels file is read inside a ZIP only. Pack it with its scans, or run import_dataset on the folder."


@dataclass(frozen=True)
class State:
    """What shows that a file has changed."""

    size: int
    modified_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "State":
        return cls(stat.st_size, stat.st_mtime_ns)


@dataclass
class Watch:
    """One folder whose files become scans of one project. `tell` and `complain` take a line for people.

    `settle_s`: seconds for which size and time of a file must not change. `work_imports`: also do the import of a ZIP here,
    unless a worker was quicker."""

    actor: User
    project: Project
    folder: Path
    settle_s: float
    tell: Callable[[str], None]
    complain: Callable[[str], None]
    work_imports: bool = False
    growing: dict[str, tuple[State, float]] = field(default_factory=dict)
    _known: dict[str, State] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)
    _classes: dict[str, ProjectClass] = field(default_factory=dict)
    _key: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self._key = ring.current().derived("watched-files")
        rows = WatchedFile.objects.filter(project=self.project).values_list("digest", "size", "modified_ns")
        self._known = {digest: State(size, modified) for digest, size, modified in rows.iterator()}

    def look(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Go over the folder once and take in what has settled. Forbidden when the actor may no longer do this."""
        before, self.growing = self.growing, {}
        try:
            self._check_rights()
            for path, stat in self._files():
                if stopped():
                    return
                self._consider(path, State.of(stat), before)
        except (OperationalError, Unavailable) as error:
            self.growing = {**before, **self.growing}
            self._complain_once("", f"The database or the decoder is away; this will resume by itself: {error}")
        else:
            self._said.pop("", None)

    def _check_rights(self) -> None:
        actor = User.objects.filter(pk=self.actor.pk, is_active=True).first()
        if actor is None or not Project.objects.filter(pk=self.project.pk).exists():
            raise Forbidden("The account is no longer active, or the project is gone.")
        require_import(actor, self.project)
        self._classes = {row.name: row for row in ProjectClass.objects.filter(project=self.project)}

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Regular files below the folder by relative path, in order; no links, and nothing whose name says it is not a scan."""
        waiting = [""]
        while waiting:
            inner = waiting.pop()
            try:
                with os.scandir(self.folder / inner) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
                    self._said.pop(inner or ".", None)
                    for entry in entries:
                        path = f"{inner}/{entry.name}" if inner else entry.name
                        if entry.is_dir(follow_symlinks=False) and not is_system_file(f"{path}/x"):
                            waiting.append(path)
                        elif entry.is_file(follow_symlinks=False) and _may_be_scan(path):
                            yield path, entry.stat(follow_symlinks=False)
            except OSError as error:
                self._complain_once(inner or ".", f"cannot be read: {error.strerror}. It is tried again.")

    def _consider(self, path: str, state: State, before: dict[str, tuple[State, float]]) -> None:
        digest = self._digest(path)
        if self._known.get(digest) == state:
            return
        seen, since = before.get(path, (None, 0.0))
        now = time.monotonic()
        if seen != state:
            since = now
        if seen == state and now - since >= self.settle_s:
            self._take(path, digest, state)
        else:
            self.growing[path] = (state, since)

    def _take(self, path: str, digest: str, state: State) -> None:
        try:
            with (self.folder / path).open("rb") as source:
                image, outcome, detail = self._bring(path, source)
                unchanged = State.of(os.fstat(source.fileno())) == state
        except (Forbidden, Unavailable):
            raise
        except DomainError as error:
            self.complain(f"{path}: {error.code}: {error.detail}")
            self._remember(digest, state, Outcome.REJECTED, code=error.code)
        except OSError as error:
            self._complain_once(path, f"cannot be read: {error.strerror}. It is tried again.")
        else:
            self.tell(f"{path}: {detail}")
            # A file that was written to meanwhile is taken in again; equal bytes are one scan.
            if unchanged:
                self._remember(digest, state, outcome, image=image)

    def _bring(self, path: str, source: BinaryIO) -> tuple[Image | None, str, str]:
        """The scan (none of a ZIP), the outcome, and a line about it."""
        *folders, name = path.split("/")
        if name.lower() in LABELS_FILES:
            raise Invalid(NO_LABELS_FILE, code="unexpected_labels_file")
        if is_zip(source):
            batch = start_import(actor=self.actor, project=self.project, source=source, file_name=name)
            return None, Outcome.CREATED, self._worked(batch)
        *_, above, parent = ["", "", *folders]
        image, created = upload_scan(
            actor=self.actor,
            project=self.project,
            source=source,
            file_name=name,
            facts=ScanFacts(),
            label_class=self._classes.get(parent),
            split=split_of(above) if parent in self._classes else None,
            label_source=Label.Source.IMPORT,
        )
        for remark in image.remarks:
            self.complain(f"{path}: {remark.code}: {remark.detail}")
        outcome = Outcome.CREATED if created else Outcome.DUPLICATE
        return image, outcome, f"{image.code} {outcome}"

    def _worked(self, batch: Import) -> str:
        if not self.work_imports:
            return f"import {batch.pk} queued"
        worker.run(batch.pk)
        done = selectors.imports(self.actor).get(pk=batch.pk)
        for line in selectors.import_errors(done):
            self.complain(f"{line.path}: {line.code}: {line.detail}")
        return f"import {batch.pk} {done.status}"

    def _remember(self, digest: str, state: State, outcome: str, *, code: str = "", image: Image | None = None) -> None:
        values = {"size": state.size, "modified_ns": state.modified_ns, "outcome": outcome, "code": code}
        WatchedFile.objects.update_or_create(
            project=self.project, digest=digest, defaults={**values, "image": image, "seen_at": timezone.now()}
        )
        self._known[digest] = state

    def _digest(self, path: str) -> str:
        """Keyed: file names may hold patients' names."""
        text = f"{self.project.pk}:{self.folder}/{path}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, "sha256").hex()

    def _complain_once(self, about: str, text: str) -> None:
        if self._said.get(about) != text:
            self._said[about] = text
            self.complain(f"{about}: {text}" if about else text)


def _may_be_scan(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return not is_system_file(path) and name not in SIDE_NOTES and not name.endswith(UNFINISHED)
