"""Export a data set to a ZIP or a folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from images.commands import ProjectCommand
from labeling.datasets import freezing, selectors
from labeling.exports.parcel import export_files, export_snapshot
from labeling.models import Export, Snapshot
from mediscan_site.core.errors import DomainError
from mediscan_site.core.http.codes import parse_code
from mediscan_site.core.models import User


class Command(ProjectCommand):
    help = (
        "Export the approved scans of a project, frozen now (or --dataset), without the metadata of their files, with labels.csv. "
        "A PATH that ends in .zip becomes a ZIP, any other a new folder."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("path", type=Path, help="ZIP file or folder to make; it must not exist")
        parser.add_argument("--dataset", help="key or code of a frozen data set, such as dataset001")
        parser.add_argument(
            "--files",
            choices=Export.Files.values,
            default=Export.Files.ORIGINALS.value,
            help="the files without metadata (default), or 8-bit PNG, longest side at most 2,048 pixels",
        )

    def act(
        self,
        actor: User,
        *,
        project: str = "",
        path: Path = Path(),
        dataset: str | None = None,
        files: str = "",
        **options: Any,
    ) -> None:
        target = self.project(actor, project)
        if path.exists():
            raise CommandError(f"{path} exists. Name a new path: nothing is overwritten.", returncode=2)
        if dataset is None:
            snapshot = freezing.freeze_snapshot(actor=actor, project=target)
        else:
            snapshot = self._dataset(actor, target.pk, dataset)
        if path.suffix.lower() == ".zip":
            self._write_zip(actor, snapshot, path, files)
        else:
            self._write_folder(actor, snapshot, path, files)
        self.stdout.write(f"Exported {snapshot.code} ({snapshot.content_hash[:12]}) to {path}. Research use only.")

    def _dataset(self, actor: User, project_id: int, value: str) -> Snapshot:
        try:
            key = parse_code("dataset", value)
        except DomainError as error:
            raise CommandError(f"--dataset: {error.detail}", returncode=2) from error
        snapshot = selectors.snapshots(actor).filter(pk=key, project=project_id).first()
        if snapshot is None:
            raise CommandError(f"This project has no data set '{value}'.", returncode=2)
        return snapshot

    def _write_zip(self, actor: User, snapshot: Snapshot, path: Path, files: str) -> None:
        with path.open("xb") as target:
            for piece in export_snapshot(actor=actor, snapshot=snapshot, files=files):
                target.write(piece)

    def _write_folder(self, actor: User, snapshot: Snapshot, path: Path, files: str) -> None:
        for name, content in export_files(actor=actor, snapshot=snapshot, files=files):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
