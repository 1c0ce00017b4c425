"""`manage.py grade PROJECT FILES…`: store scans and ask the deployed model about each."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from images.commands import ProjectCommand
from images.models import RESEARCH_USE, Project
from images.services import ScanFacts
from mediscan_site.core.errors import DomainError
from mediscan_site.core.management.acting import REFUSED
from mediscan_site.core.models import User, WorkStatus
from models_registry import selectors
from models_registry.grades import prediction_sets, services
from models_registry.grades.evidence import remarks
from models_registry.grades.prediction_sets import PredictionSet
from models_registry.grades.services import require_deployed
from models_registry.grades.worker import run_grade
from models_registry.models import Grade


class Command(ProjectCommand):
    help = (
        "Stores the files as scans of the project and grades each. One line per file: file, most probable class, confidence, "
        "decision, scan, and the classes that the model cannot tell apart on it (none: no class fits; n/a: no prediction sets). "
        "Exit 1 when a file got no answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("files", nargs="+", type=Path)

    def act(self, actor: User, **options: Any) -> None:
        project = self.project(actor, options["project"])
        require_deployed(project)
        console = Console(stderr=True)
        files: list[Path] = options["files"]
        failed = 0
        for path in track(files, "Grading", console=console, disable=not console.is_terminal):
            line, ok = self._line(actor, project, path)
            failed += not ok
            self.stdout.write(f"{path}\t{line}")
        self.stderr.write(RESEARCH_USE)
        if failed:
            raise CommandError(f"{failed} of {len(files)} files got no answer.", returncode=REFUSED)

    def _line(self, actor: User, project: Project, path: Path) -> tuple[str, bool]:
        try:
            with path.open("rb") as source:
                grade = services.grade_upload(
                    actor=actor, project=project, source=source, file_name=path.name, facts=ScanFacts()
                )
        except OSError as error:
            return f"error\t{error.strerror}", False
        except DomainError as error:
            return f"error\t{error.detail}", False
        run_grade(grade.pk)
        return self._told(selectors.grades(actor).get(pk=grade.pk))

    def _told(self, grade: Grade) -> tuple[str, bool]:
        if grade.status != WorkStatus.SUCCEEDED or grade.prediction is None:
            return f"error\t{grade.error or grade.status}", False
        confidence = "uncalibrated" if grade.confidence is None else f"{grade.confidence:.4f}"
        for remark in [*(reason.sentence for reason in selectors.refer_reasons(grade)), *remarks(grade)]:
            self.stderr.write(f"{grade.image.code}: {remark}")
        told = f"{grade.prediction.name}\t{confidence}\t{grade.decision}\t{grade.image.code}"
        return f"{told}\t{self._set(prediction_sets.of(grade))}", True

    def _set(self, found: PredictionSet) -> str:
        return "n/a" if found.classes is None else " | ".join(found.classes) or "none"
