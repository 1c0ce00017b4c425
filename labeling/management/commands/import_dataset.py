"""Import a folder or ZIP that this machine can read."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.progress import Progress

from images.commands import ProjectCommand
from labeling.imports import dialects, selectors, services, worker
from labeling.imports.preview import Preview
from labeling.imports.previews import preview_path
from labeling.imports.told import told
from labeling.models import Import
from mediscan_site.core.models import ENDED, User, WorkStatus


class Command(ProjectCommand):
    help = "Import scans and labels from a folder or ZIP (layout: {train,val,test}/{class}/, {class}/ or flat; labels.csv)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("path", type=Path, help="folder or ZIP file")
        parser.add_argument(
            "--split-frames", action="store_true", help="each frame of a DICOM file or page of a TIFF becomes a scan"
        )
        parser.add_argument(
            "--dialect",
            choices=dialects.NAMES,
            default=dialects.AUTO,
            help="how the labels files are read (auto: found out by their columns)",
        )
        parser.add_argument("--finding", default="", help="of several findings a scan the one that is asked for")
        parser.add_argument("--preview", action="store_true", help="only say what is understood; nothing is stored")

    def act(
        self,
        actor: User,
        *,
        project: str = "",
        path: Path = Path(),
        split_frames: bool = False,
        dialect: str = dialects.AUTO,
        finding: str = "",
        preview: bool = False,
        **options: Any,
    ) -> None:
        common: dict[str, Any] = {"actor": actor, "project": self.project(actor, project)}
        common |= {"dialect": dialect, "finding": finding}
        if preview and path.exists():
            self._preview(preview_path(path=path, **common))
            return
        common["split_frames"] = split_frames
        if path.is_dir():
            batch = services.start_folder_import(folder=path, **common)
        elif path.is_file():
            with path.open("rb") as source:
                batch = services.start_import(source=source, file_name=path.name, **common)
        else:
            raise CommandError(f"There is no folder or file {path}.", returncode=2)
        self._work(batch)
        self._report(actor, batch)

    def _preview(self, found: Preview) -> None:
        for line in told(found):
            self.stdout.write(line)
        if not found.scans:
            raise CommandError("No file would come in.")

    def _work(self, batch: Import) -> None:
        """Do it here, unless a worker was quicker: then watch it."""
        with Progress() if self.on_terminal() else nullcontext() as bar:
            if bar is not None:
                bar.add_task(f"import {batch.pk}", total=None)
            worker.run(batch.pk)
            while Import.objects.values_list("status", flat=True).get(pk=batch.pk) not in ENDED:
                time.sleep(0.5)

    def _report(self, actor: User, batch: Import) -> None:
        done: Any = selectors.imports(actor).get(pk=batch.pk)
        for line in selectors.import_errors(done):
            self.stderr.write(f"{line.path}: {line.code}: {line.detail}")
        if done.status != WorkStatus.SUCCEEDED:
            raise CommandError(f"Import {done.pk} {done.status}. {done.error}")
        self.stdout.write(
            f"Import {done.pk}: {done.created} created, {done.duplicates} duplicates, "
            f"{done.rejected} rejected, {done.warnings} warnings"
            f"{f', {done.passed_over} passed over' if done.passed_over else ''}."
        )
