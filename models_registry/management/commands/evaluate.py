"""`manage.py evaluate MODEL`: one more reading of the test split, counted."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from mediscan_site.core.management.acting import REFUSED, ActingCommand
from mediscan_site.core.models import User, WorkStatus
from models_registry import policies, selectors
from models_registry.evaluations import services
from models_registry.evaluations.worker import run_evaluation
from models_registry.models import Evaluation
from models_registry.versions import cards


class Command(ActingCommand):
    help = "Evaluates a model version on the untouched test split of its data set (or of --dataset). Each reading is counted."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", help="key or code, as in model001")
        parser.add_argument("--dataset", help="key or code, as in dataset001")

    def act(self, actor: User, **options: Any) -> None:
        model = self.found(selectors.versions(actor), options["model"], prefix="model", what="model")
        snapshot = None
        if options["dataset"]:
            known = policies.visible_snapshots(actor)
            snapshot = self.found(known, options["dataset"], prefix="dataset", what="data set")
        evaluation = services.request_evaluation(actor=actor, model=model, snapshot=snapshot)
        console = Console(stderr=True)
        with console.status(f"Evaluating {model.code}"):
            run_evaluation(evaluation.pk)
        done = Evaluation.objects.select_related("snapshot").get(pk=evaluation.pk)
        if done.status != WorkStatus.SUCCEEDED:
            raise CommandError(done.error or f"The evaluation is {done.status}.", returncode=REFUSED)
        for line in cards.figure_lines(done):
            self.stdout.write(line)
