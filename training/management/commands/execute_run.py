"""What a train worker starts for each run. Not for people: use `train`."""

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from training.process import runner


class Command(BaseCommand):
    help = (
        "Started by a train worker to execute one attempt of a training run. To train a model, use the command train."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--attempt", type=int, required=True)
        parser.add_argument("--parent", type=int, required=True)

    def handle(self, *args: Any, run: int, attempt: int, parent: int, **options: Any) -> None:
        runner.die_with(parent)
        # Ctrl-C reaches the whole group of the terminal; whoever started us decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Not at the top: it loads PyTorch, which takes seconds, in which the worker may die or the terminal be interrupted.
        from training.process import child

        sys.exit(child.execute(run, attempt))
