"""RabbitMQ as the broker: which queues, and what to do when the server has others of the same names.

Quorum queues: each is kept by a majority of the cluster's nodes, so the loss of one takes no wake-up along. They have neither
global prefetch nor priorities, which nothing here uses, and may drop a message that came back too often
(`x-delivery-limit`, 20 where RabbitMQ is 4 or newer): a wake-up that is dropped is sent again from its row."""

from typing import Any, Final

from amqp.exceptions import PreconditionFailed
from kombu import Exchange, Queue

# All queues of the site; `work.durable_task` and the command lines of the workers name them.
QUEUES: Final = ("io", "grade", "train")
# Milliseconds that a worker may keep a message: longer than the longest work, as the visibility timeout of Redis. Servers before
# 3.12 know it from their own configuration only (docs/operations.md).
CONSUMER_TIMEOUT_MS: Final = 7 * 3600 * 1000
ARGUMENTS: Final = {"x-queue-type": "quorum", "x-consumer-timeout": CONSUMER_TIMEOUT_MS}
REMEDY: Final = (
    "RabbitMQ has a queue of this name and of another kind, perhaps from an older version of this site: {reason} Stop all web, "
    "worker and beat processes, delete the queues (rabbitmqctl -p VHOST delete_queue NAME, for {names}), and start again. Nothing "
    "is lost: queues hold wake-ups alone, which are sent again."
)


def speaks(url: str) -> bool:
    """Whether this is the address of a RabbitMQ server."""
    return url.startswith(("amqp", "pyamqp"))


def queues(url: str) -> list[Queue] | None:
    """Celery's task_queues at this broker; None: it makes them as they are named, as on Redis and in files."""
    if not speaks(url):
        return None
    return [Queue(name, Exchange(name), routing_key=name, queue_arguments=dict(ARGUMENTS)) for name in QUEUES]


def of_another_kind(error: BaseException) -> bool:
    """True for the refusal of a queue that exists with other arguments."""
    return isinstance(error, PreconditionFailed) and "inequivalent arg" in str(error)


def remedy(error: BaseException) -> str:
    """What to do about `of_another_kind`, in words."""
    return REMEDY.format(reason=getattr(error, "reply_text", "") or error, names=", ".join(QUEUES))


def require_our_kind(connection: Any) -> None:
    """Declare the queues, as each sender and worker does. PreconditionFailed when the server has others of these names."""
    with connection.channel() as channel:
        for queue in queues(connection.as_uri()) or ():
            queue(channel).declare()
