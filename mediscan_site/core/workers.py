"""Which workers and beats run, on whatever machine: each says so in the database now and then. Jobs that wait while no worker of
their queue was seen are a fault that no queue length tells by itself."""

import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from celery.signals import beat_init, worker_ready, worker_shutting_down
from django.db.models.functions import Now

from mediscan_site.core import beating, notices, tidy
from mediscan_site.core.database import ago
from mediscan_site.core.models import Worker

EVERY_S: Final = 30.0
# Two beats may be missed: a database that is away for a moment stops no worker.
LATELY: Final = timedelta(seconds=3.5 * EVERY_S)
KEPT: Final = timedelta(days=1)
BEAT: Final = "beat"
_ended = threading.Event()


def seen(name: str, queues: list[str], processes: int) -> None:
    """This worker runs."""
    said = {"queues": queues, "processes": processes, "seen_at": Now()}
    Worker.objects.update_or_create(name=name, defaults=said, create_defaults={**said, "started_at": Now()})


def lately() -> dict[str, tuple[int, int]]:
    """By queue: how many workers were seen, and their processes together."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    rows = Worker.objects.filter(seen_at__gt=ago(LATELY)).values_list("queues", "processes")
    for queues, processes in rows:
        for queue in queues:
            programs, before = found[queue]
            found[queue] = (programs + 1, before + processes)
    return dict(found)


@tidy.register
def forget() -> None:
    Worker.objects.filter(seen_at__lt=ago(KEPT)).delete()
    names = Worker.objects.values_list("name", flat=True)
    notices.forget_machines({name.rpartition("@")[2] for name in names})


def _begin(name: str, queues: list[str], processes: Callable[[], int]) -> None:
    _ended.clear()
    beating.begin(name, lambda: seen(name[:200], queues, processes()), every_s=EVERY_S, ended=_ended, at_once=True)


@worker_ready.connect(weak=False)
def _worker_is_ready(sender: Any, **_options: Any) -> None:
    """`sender`: Celery's consumer."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    _begin(str(sender.hostname), queues, lambda: int(sender.pool.num_processes))


@beat_init.connect(weak=False)
def _beat_is_ready(**_options: Any) -> None:
    _begin(f"{BEAT}@{socket.gethostname()}", [BEAT], lambda: 1)


@worker_shutting_down.connect(weak=False)
def _worker_ends(**_options: Any) -> None:
    _ended.set()
