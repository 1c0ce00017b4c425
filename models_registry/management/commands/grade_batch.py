"""`manage.py grade_batch PROJECT`: grade many stored scans, here and now, beside the site's own workers."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from images.commands import ProjectCommand
from images.models import RESEARCH_USE, Project
from labeling.policies import visible_imports
from mediscan_site.core.http.csv import csv_lines
from mediscan_site.core.management.acting import REFUSED, WRONG_USE
from mediscan_site.core.models import ACTIVE, User, WorkStatus
from models_registry.batches import selectors, services
from models_registry.batches.serializers import COLUMNS, BatchResultSerializer
from models_registry.batches.worker import run_batch
from models_registry.models import GradeBatch

PAUSE_S = 0.5


class Command(ProjectCommand):
    help = (
        "Grades the stored scans of a project with the deployed model: all of them, those of an import, or those that pass filters "
        "of the list of scans. Prints how many were answered, referred, failed and left out, and why. "
        "Exit 1 when a scan failed or the batch did not come to its end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("--import", dest="source", metavar="KEY", help="only what this import brought")
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="as in label_status=unlabeled; may be repeated",
        )
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="write a line for each scan; the file must not exist"
        )

    def act(self, actor: User, **options: Any) -> None:
        project, target = self.project(actor, options["project"]), options["csv"]
        if target is not None and target.exists():
            raise CommandError(f"{target} exists. Name a new file: nothing is overwritten.", returncode=WRONG_USE)
        batch = services.start_batch(actor=actor, project=project, **self._which(actor, project, options))
        self._work(batch)
        done = selectors.batches(actor).get(pk=batch.pk)
        if target is not None:
            self._write(done, target)
        self._tell(done)

    def _which(self, actor: User, project: Project, options: dict[str, Any]) -> dict[str, Any]:
        filters = dict(self._pair(text) for text in options["filter"])
        if not options["source"]:
            return {"filters": filters}
        imports = visible_imports(actor).filter(project=project)
        source = self.found(imports, options["source"], prefix="", what="import of this project with the key")
        return {"source_import": source, "filters": filters}

    def _pair(self, text: str) -> tuple[str, str]:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise CommandError(f"--filter {text}: write it as NAME=VALUE.", returncode=WRONG_USE)
        return name, value

    def _work(self, batch: GradeBatch) -> None:
        """To the end, together with whichever worker of the site takes it up too."""
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("Grading", total=1.0)
            while True:
                batch.refresh_from_db()
                bar.update(task, completed=batch.progress)
                if batch.status not in ACTIVE:
                    return
                run_batch(batch.pk) if batch.status == WorkStatus.QUEUED else time.sleep(PAUSE_S)

    def _write(self, batch: GradeBatch, target: Path) -> None:
        shape = BatchResultSerializer()
        results = (shape.to_representation(item) for items in selectors.in_chunks(batch) for item in items)
        rows = ([result[name] for name in COLUMNS] for result in results)
        with target.open("x", encoding="utf-8", newline="") as file:
            file.writelines(csv_lines(COLUMNS, rows))

    def _tell(self, batch: Any) -> None:
        numbers = {name: getattr(batch, f"number_{name}") for name in ("answered", "referred", "failed", "left_out")}
        told = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items())
        self.stdout.write(f"batch {batch.pk} by {batch.model.code}: {batch.total} scans, {told}")
        for reason in selectors.reasons(batch):
            self.stderr.write(f"{reason['number']} {reason['outcome'].replace('_', ' ')}: {reason['detail']}")
        self.stderr.write(RESEARCH_USE)
        if batch.status != WorkStatus.SUCCEEDED:
            raise CommandError(f"The batch ended as {batch.status}. {batch.error}".strip(), returncode=REFUSED)
        if numbers["failed"]:
            raise CommandError(f"{numbers['failed']} of {batch.total} scans got no answer.", returncode=REFUSED)
