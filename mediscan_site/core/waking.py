"""The message that wakes a worker. It may be lost: the sweeper (`core.work`) sends it again."""

import logging
import time
from dataclasses import dataclass

from celery import Task
from kombu.exceptions import OperationalError as BrokerAway

log = logging.getLogger(__name__)

BROKER_PAUSE_S = 5.0


@dataclass
class _Broker:
    """What this process knows: until when (`time.monotonic`) it does not ask the broker again."""

    away_until: float = 0.0


broker = _Broker()


def send_now(task: Task[[int], None], pk: int) -> None:
    """A wake-up holds whoever sends it for two seconds at most, and nobody else while the broker is found away."""
    if time.monotonic() < broker.away_until:
        return
    try:
        task.apply_async(args=(pk,), retry=False)
    except (BrokerAway, OSError) as error:
        broker.away_until = time.monotonic() + BROKER_PAUSE_S
        log.warning("Broker away, %s %s waits for the sweeper: %s", task.name, pk, error)
