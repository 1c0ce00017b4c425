"""`manage.py reproduce RUN`: train a run again and compare the weights."""

from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from mediscan_site.core.errors import DomainError
from mediscan_site.core.management.acting import ActingCommand
from mediscan_site.core.models import User
from training import policies
from training.engine.group import launched, leads
from training.models import TrainingRun
from training.process import launching, reproducing
from training.processes import Layout

DIFFERENT, CANNOT = 1, 2
NAMED_AT_MOST: Final = 5


class Command(ActingCommand):
    help = (
        "Train a finished run again from its data set with its recorded settings and number of threads, and compare the "
        "weights with those of its version. Nothing is changed and no test split is read. Exit status: 0 equal to the "
        "bit, 1 different, 2 it cannot be done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("run", help="key or code of the run, as in training001")

    def act(self, actor: User, **options: Any) -> None:
        rows = policies.visible_runs(actor).select_related("project", "snapshot", "base_model", "model", "created_by")
        run = self.found(rows, options["run"], prefix="training", what="training run")
        several = run.environment.get("processes", 1)
        if several > 1 and not launched():
            self._launch(actor, run, several)
            return
        try:
            found = self._compared(actor, run)
            if leads():
                self._report(run, found)
        except DomainError as error:
            raise CommandError(error.detail, returncode=CANNOT) from error

    def _launch(self, actor: User, run: TrainingRun, processes: int) -> None:
        """In as many processes as the run had, all on this machine."""
        words = ["reproduce", run.code, "--as", actor.username]
        if status := launching.launch(Layout(each=processes), launching.Meeting(run.code), words):
            raise CommandError(f"{run.code}: compared in {processes} processes, as said above.", returncode=status)

    def _compared(self, actor: User, run: TrainingRun) -> reproducing.Comparison:
        with Progress(console=Console(stderr=True), disable=not (self.on_terminal() and leads())) as bar:
            task = bar.add_task(run.code, total=1.0)
            return reproducing.reproduce(
                actor=actor,
                run=run,
                show=lambda share, message: bar.update(task, completed=share, description=message),
            )

    def _report(self, run: TrainingRun, found: reproducing.Comparison) -> None:
        for line in found.environment:
            self.stdout.write(f"otherwise than in {run.code}: {line}")
        if found.equal:
            self.stdout.write(f"{run.code}: all {found.weights} weights are equal to the bit.")
            return
        raise CommandError(self._different(run, found), returncode=DIFFERENT)

    def _different(self, run: TrainingRun, found: reproducing.Comparison) -> str:
        why = (
            "The environment differs as said above."
            if found.environment
            else "Nothing that was recorded of the environment differs: the run's settings, its data or the code must."
        )
        names = ", ".join(found.differing[:NAMED_AT_MOST])
        return (
            f"{run.code}: {len(found.differing)} of {found.weights} weights differ ({names}), "
            f"by at most {found.largest:.3g}. {why}"
        )
