"""What a train worker starts for a run that several processes train together. Not for people: use `train`."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from training.models import TrainingRun
from training.process import launching, runner
from training.process.ending import EXIT_STOPPED


class Command(BaseCommand):
    help = (
        "Started by a train worker to execute one attempt of a training run in several processes. To train a model, use the "
        "command train."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--attempt", type=int, required=True)
        parser.add_argument("--parent", type=int, required=True)
        parser.add_argument("--host", type=int, default=0, help="which of TRAINING_HOSTS this is")

    def handle(self, *args: Any, run: int, attempt: int, parent: int, host: int, **options: Any) -> None:
        runner.die_with(parent)
        found = TrainingRun.objects.filter(pk=run, attempt=attempt).first()
        sys.exit(EXIT_STOPPED if found is None else launching.launch_run(found, host))
