"""Take in what is put into a folder."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections

from images.commands import ProjectCommand
from labeling.imports.services import require_import
from labeling.imports.watching import Watch
from mediscan_site.core.models import User


class Command(ProjectCommand):
    help = (
        "Watch a folder: its files (also in folders below) become scans of the project once they stop growing, ZIP files become "
        "imports. A file right inside a folder named like a class gets that label. Nothing in the folder is moved, changed or "
        "deleted. Ends on SIGTERM or Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("path", type=Path, help="the folder")
        parser.add_argument("--once", action="store_true", help="take in what is there and end; for cron")
        parser.add_argument("--interval", type=_seconds, default=5.0, metavar="S", help="seconds between looks (5)")
        parser.add_argument(
            "--settle", type=_seconds, default=10.0, metavar="S", help="seconds a file must not have changed (10)"
        )

    def act(
        self,
        actor: User,
        *,
        project: str = "",
        path: Path = Path(),
        once: bool = False,
        interval: float = 5.0,
        settle: float = 10.0,
        **options: Any,
    ) -> None:
        target, folder = self.project(actor, project), _folder(path)
        require_import(actor, target)
        watch = Watch(
            actor=actor,
            project=target,
            folder=folder,
            settle_s=settle,
            tell=self.stdout.write,
            complain=self.stderr.write,
            work_imports=once,
        )
        with _until_asked_to_stop() as stop:
            if once:
                self._once(watch, stop)
            else:
                self.stdout.write(f"Watching {folder} for {target.name} as {actor.username}.")
                self._keep_on(watch, stop, interval)

    def _once(self, watch: Watch, stop: threading.Event) -> None:
        """Two looks, to see that a file has stopped growing."""
        watch.look(stop.is_set)
        if watch.growing and not stop.wait(watch.settle_s):
            watch.look(stop.is_set)
        for path in watch.growing:
            self.stderr.write(f"{path}: still growing, left for the next time.")

    def _keep_on(self, watch: Watch, stop: threading.Event, interval: float) -> None:
        while not stop.is_set():
            watch.look(stop.is_set)
            # A connection that the database has dropped meanwhile is opened again.
            close_old_connections()
            stop.wait(interval)
        self.stdout.write("Stopped.")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86_400:
        raise ValueError(text)
    return value


def _folder(path: Path) -> Path:
    folder = path.resolve()
    if not folder.is_dir():
        raise CommandError(f"There is no folder {path}.", returncode=2)
    data = Path(settings.DATA_DIR).resolve()
    if folder.is_relative_to(data) or data.is_relative_to(folder):
        raise CommandError("The folder must be separate from the site's own data (MEDISCAN_DATA_DIR).", returncode=2)
    return folder


@contextmanager
def _until_asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set: the current file is finished first. A second Ctrl-C ends at once."""
    stop, before = threading.Event(), {}

    def ask(number: int, frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
