"""The message that wakes a worker. It may be lost: the sweeper (`core.work`) sends it again."""

import logging
import time
from dataclasses import dataclass

from amqp.exceptions import AMQPError
from celery import Task
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

from mediscan_site import rabbitmq

log = logging.getLogger(__name__)

BROKER_PAUSE_S = 5.0
# The first two say that it is away; the others, that it refuses: a queue of another kind, no memory, a copy that only reads.
NOT_SENT = (BrokerAway, OSError, AMQPError, RedisError)


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
    except NOT_SENT as error:
        broker.away_until = time.monotonic() + BROKER_PAUSE_S
        reason = rabbitmq.remedy(error) if rabbitmq.of_another_kind(error) else error
        log.warning("Broker away, %s %s waits for the sweeper: %s", task.name, pk, reason)
