"""The Celery shell. The work itself is in `runner`."""

from django.conf import settings

from mediscan_site.core import work
from training.models import TrainingRun


@work.durable_task(
    name="training.train", queue="train", soft_limit_s=min(settings.TRAINING_TIME_LIMIT_S, work.LONGEST_TASK_S)
)
def train(pk: int) -> None:
    from training.process import runner

    work.in_turn(TrainingRun, pk, runner.run)


work.register_sweep(TrainingRun, train, closing={"active": None})
