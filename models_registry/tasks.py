"""Wake-ups of the registry's work. The worker sides are imported when they run: a web process needs no PyTorch to send a task."""

from typing import Any, Final

from celery.signals import worker_ready

from mediscan_site.core import batches, work
from mediscan_site.core.alone import one_at_a_time
from mediscan_site.core.work import durable_task, register_sweep
from models_registry.browsing import heat
from models_registry.browsing.heat import DRAW as DRAW_ANSWER
from models_registry.grades.waiting import DRAW
from models_registry.models import Evaluation, Grade, GradeBatch, Watch
from models_registry.selectors import anything_to_mirror, anything_to_watch
from models_registry.versions import graphs, summaries
from models_registry.versions.services import MIRROR
from models_registry.versions.serving import WARM

GRADE_QUEUE: Final = "grade"
WATCH_STREAMS: Final = "models_registry.watch_streams"


@durable_task(name="models_registry.grade", queue=GRADE_QUEUE, soft_limit_s=120)
def grade(pk: int) -> None:
    """The grade whose turn it is, with those that go with it; 0: if one waits at all."""
    from models_registry.grades.worker import MOST_TOGETHER, run_grades

    batches.in_turn(Grade, pk, run_grades, alike="model", most=MOST_TOGETHER)


@durable_task(name=DRAW, queue=GRADE_QUEUE, soft_limit_s=240)
def draw(pk: int) -> None:
    """The heat map of a grade, which somebody has asked for. Before each map goes one batch of what waits to be graded: a page may
    ask for many maps."""
    from models_registry.grades.worker import draw as drawn

    grade(0)
    drawn(pk)


@durable_task(name=DRAW_ANSWER, queue=GRADE_QUEUE, soft_limit_s=240)
def draw_answer(pk: int) -> None:
    """The heat map of what an evaluation kept, likewise after a batch of grades."""
    from models_registry.grades.worker import fit_threads

    grade(0)
    fit_threads()
    heat.draw(pk)


@durable_task(name="models_registry.grade_batch", queue=GRADE_QUEUE, soft_limit_s=300)
def grade_batch(pk: int) -> None:
    from models_registry.batches.worker import run_batch

    work.in_turn(GradeBatch, pk, run_batch)


@durable_task(name=WARM, queue=GRADE_QUEUE, soft_limit_s=120)
def warm(pk: int) -> None:
    """Load a version before somebody waits for its first answer; 0 (a worker that starts): what serves now."""
    from models_registry.grades.worker import warm_up

    warm_up(pk)


@worker_ready.connect
def warm_when_ready(sender: Any, **_: Any) -> None:
    """A grade worker begins with loading. By a message, because Celery gives a starting process four seconds."""
    if GRADE_QUEUE in sender.app.amqp.queues.consume_from:
        work.send(warm, 0)


@durable_task(name="models_registry.evaluate", queue="io", soft_limit_s=3600)
def evaluate(pk: int) -> None:
    from models_registry.evaluations.worker import run_evaluation

    work.in_turn(Evaluation, pk, run_evaluation)


@durable_task(name=graphs.MAKE, queue="io", soft_limit_s=1800)
def graph(pk: int) -> None:
    """The exported graph of a version that has none; then it is loaded where it will serve."""
    from models_registry.versions.exporting import make_missing

    make_missing(pk)


@durable_task(name=summaries.MAKE, queue="io", soft_limit_s=1800)
def summarise(pk: int) -> None:
    """Figures over all answers of an evaluation, where they are too many for a page."""
    from models_registry.browsing import summarising

    summarising.summarise(pk)


@durable_task(name=MIRROR, queue="io", soft_limit_s=600)
def mirror(pk: int) -> None:
    """One version into MLflow; 0 (the periodic call): every version that waits for it."""
    from models_registry.book.mirroring import mirror_version

    mirror_version(pk) if pk else _mirror_pending()


@one_at_a_time(MIRROR, when=anything_to_mirror)
def _mirror_pending() -> None:
    from models_registry.book.mirroring import mirror_pending

    mirror_pending()


@durable_task(name="models_registry.watch", queue="io", soft_limit_s=3600)
def watch(pk: int) -> None:
    """One look at a version; 0 (the nightly call): asks for one at each that is deployed."""
    from models_registry.watch.worker import run_watch

    work.in_turn(Watch, pk, run_watch) if pk else _watch_all()


@one_at_a_time("models_registry.watch")
def _watch_all() -> None:
    from models_registry.watch import services
    from models_registry.watch.worker import deployed

    services.watch_all(deployed())


@durable_task(name=WATCH_STREAMS, queue="io", soft_limit_s=600)
def watch_streams(pk: int) -> None:
    """The online test of one version; 0 (the call of every minute): of all that are deployed."""
    from models_registry.watch import worker

    worker.watch_streams(pk) if pk else _watch_streams()


@one_at_a_time(WATCH_STREAMS, when=anything_to_watch)
def _watch_streams() -> None:
    from models_registry.watch import worker

    worker.watch_streams()


register_sweep(Grade, grade)
register_sweep(GradeBatch, grade_batch)
register_sweep(Watch, watch)
register_sweep(Evaluation, evaluate)
