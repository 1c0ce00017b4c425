"""The part of a worker that takes messages. Celery's own logs a bad one with all it holds, and some end the worker, which
gives the message back for the next one to end at."""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker import consumer

from mediscan_site import rabbitmq
from mediscan_site.core.careful import connection_lost
from mediscan_site.core.unreadable import set_aside


def _of(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name, None) for name in ("headers", "properties", "content_type", "body")}


log = logging.getLogger(__name__)
# Celery has a message wait in one of 28 more quorum queues when it is sent for later. Here nothing is: rows wait.
DELAYED = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class Consumer(consumer.Consumer):
    """Whatever a message is, it is done with: worked on, or set aside."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type, misc]  # an attribute in the stubs
        default_steps = [step for step in consumer.Consumer.Blueprint.default_steps if step != DELAYED]

    connection_errors: tuple[type[BaseException], ...]

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*arguments, **options)

        def careful(message: Any) -> Any:
            try:
                return handle(message)
            except connection_lost(self.connection_errors):
                raise
            except Exception as error:
                return self._set_aside(message, error)

        return careful

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        if rabbitmq.of_another_kind(exc):
            log.critical("%s", rabbitmq.remedy(exc))
        super().on_connection_error_after_connected(exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._set_aside(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._set_aside(message, "not a task")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._set_aside(message, "a task that this version does not have")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._set_aside(message, exc)

    def _set_aside(self, message: Any, error: Exception | str) -> None:
        set_aside(_of(message), error)
        if not message.acknowledged:
            message.reject()
