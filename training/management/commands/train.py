"""`manage.py train PROJECT`: train a model and wait for it."""

import threading
import time
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import Progress

from images.commands import ProjectCommand
from labeling.policies import visible_snapshots
from mediscan_site.core.errors import NotFound
from mediscan_site.core.http.codes import parse_code
from mediscan_site.core.models import User, WorkStatus
from models_registry.policies import visible_models
from training import selectors, services
from training.engine.config import ASKABLE
from training.models import TrainingRun
from training.process import runner
from training.wishes import Wishes

POLL_S: Final = 0.5
NOBODY_S: Final = 30
NOBODY: Final = (
    "No train worker has taken the run for 30 seconds. Start the workers (make serve), or cancel this with Ctrl-C and "
    "train in this process with --here."
)


class Command(ProjectCommand):
    help = "Train a model on the project's approved scans, in a train worker or (--here) without one. Ctrl-C cancels the run."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("project", help="key or name of the project")
        parser.add_argument("--dataset", help="data set to train on, as in dataset001; else one is frozen now")
        parser.add_argument("--model", dest="base", help="version to continue from, as in model001")
        for name, option in ASKABLE.items():
            parser.add_argument(
                f"--{name.replace('_', '-')}", type=str if option.kind is bool else option.kind, help=option.description
            )
        parser.add_argument("--here", action="store_true", help="train in this process; needs no worker")

    def act(self, actor: User, **options: Any) -> None:
        target = self.project(actor, options["project"])
        snapshot = _found(visible_snapshots(actor), "dataset", options["dataset"])
        base = _found(visible_models(actor), "model", options["base"])
        asked = {name: options[name] for name in ASKABLE}
        wishes = Wishes.of(base_model=base, **asked)
        run = services.start_run(actor=actor, project=target, snapshot=snapshot, wishes=wishes)
        self.stderr.write(f"{run.code}: {run.message} {run.config['plan_note']}")
        self._wait(actor, run, here=options["here"])
        self._report(selectors.runs(actor).get(pk=run.pk))

    def _wait(self, actor: User, run: TrainingRun, *, here: bool) -> None:
        worker = threading.Thread(target=_work, args=(run.pk,), name="train-here")
        if here:
            worker.start()
        try:
            self._watch(run.pk)
        except KeyboardInterrupt:
            services.cancel_run(actor=actor, run=run)
            self._watch(run.pk)
        finally:
            if here:
                worker.join()

    def _watch(self, pk: int) -> None:
        began, warned = time.monotonic(), False
        with Progress(console=Console(stderr=True), disable=not self.on_terminal()) as bar:
            task = bar.add_task("queued", total=1.0)
            while (row := TrainingRun.objects.get(pk=pk)).active:
                bar.update(task, completed=row.progress, description=row.message)
                if row.status == WorkStatus.QUEUED and not warned and time.monotonic() - began > NOBODY_S:
                    warned = True
                    self.stderr.write(NOBODY)
                time.sleep(POLL_S)

    def _report(self, run: TrainingRun) -> None:
        if run.model is None:
            raise CommandError(f"{run.code} {run.status}. {run.error or run.message}")
        figures = selectors.performance(run)
        shown = [
            f"{name}={figures[name]:.3f}" for name in ("balanced_accuracy", "auroc") if figures.get(name) is not None
        ]
        self.stdout.write(f"{run.code}: {run.model.code} {' '.join(shown)} ({run.message})")


def _work(pk: int) -> None:
    try:
        runner.run(pk)
    finally:
        connection.close()


def _found(rows: Any, prefix: str, value: str | None) -> Any:
    if value is None:
        return None
    row = rows.filter(pk=parse_code(prefix, value)).first()
    if row is None:
        raise NotFound(f"There is no {prefix} {value} that you can see.")
    return row
