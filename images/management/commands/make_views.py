"""`manage.py make_views`: views for learning of scans that have none, and damaged pictures of whole scans again."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from images.models import Project
from images.services.remaking import lacking, remake, spoiled
from mediscan_site.core.errors import DomainError
from mediscan_site.core.http.codes import find_key
from mediscan_site.core.storage.foreign import ForeignStore
from mediscan_site.core.storage.keys import KeysError


class Command(BaseCommand):
    help = (
        "Makes the view for learning of every scan that has none, also while the site works, and makes thumbnails, tiles and "
        "views again that verify_images found damaged. Networks that see colour, windows or more than 256 pixels need views; "
        "without this each is made when it is needed first. Interrupted, it goes on where it was (exit 1: some gave none)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="of this project alone: its name or key")
        parser.add_argument("--limit", type=int, help="store at most so many; the next call makes more")

    def handle(self, *args: Any, **options: Any) -> None:
        limit, name = options["limit"], options["project"]
        if limit is not None and limit < 1:
            raise CommandError("--limit must be 1 or more.")
        project = _project(name) if name else None
        with _explained():
            made, failed = self._make(project, limit)
        left = lacking(project).count()
        self.stdout.write(f"{made} made, {failed} could not be made, {left} left.")
        if failed:
            raise CommandError(f"{failed} could not be made: see above. All others are stored.")

    def _make(self, project: Project | None, limit: int | None) -> tuple[int, int]:
        made, failed, console = 0, 0, Console(stderr=True)
        total = spoiled(project).count() + lacking(project).count()
        work = remake(project, limit)
        total = total if limit is None else min(total, limit)
        for done in track(work, "Making views", total=total, console=console, disable=not console.is_terminal):
            made, failed = made + (not done.error), failed + bool(done.error)
            if done.error:
                self.stdout.write(f"{done.image.code} ({done.kind.value}): {done.error}")
        return made, failed


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (DomainError, KeysError, ForeignStore) as error:
        raise CommandError(f"{getattr(error, 'detail', error)} Run this again: it goes on from here.") from error
    except OSError as error:
        raise CommandError(f"The files cannot be used ({error.strerror or error}). Mend that, then repeat.") from error


def _project(name: str) -> Project:
    key = find_key(name)
    found = Project.objects.filter(name=name).first() or (Project.objects.filter(pk=key).first() if key else None)
    if found is None:
        raise CommandError(f"There is no project '{name}'.")
    return found
