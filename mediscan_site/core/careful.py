"""kombu's own transports end the worker at a message that is not one of theirs."""

from typing import Any

from kombu.transport import virtual


def set_aside(message: object, error: BaseException | str) -> None:
    # Senders load this module without Django's tables.
    from mediscan_site.core import unreadable

    unreadable.set_aside(message, error)


def connection_lost(errors: tuple[type[BaseException], ...]) -> tuple[type[BaseException], ...]:
    """Those that say that the broker is away. kombu counts Redis' KeyErrors too, which a strange message causes as well."""
    return tuple(kind for kind in errors if kind is not KeyError)


class CarefulTransport(virtual.Transport):
    """For the transports that kombu makes itself of a queue of JSON texts: files and Redis."""

    def _deliver(self, message: Any, queue: str | None) -> None:
        try:
            super()._deliver(message, queue)
        except connection_lost(self.connection_errors):
            raise
        except Exception as error:
            set_aside(message, error)
            self._let_go(message)

    def _let_go(self, message: Any) -> None:
        """Else a channel gives back at its end what it holds."""
        properties = message.get("properties") if isinstance(message, dict) else None
        tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
        for channel in self.channels or ():
            if isinstance(tag, str) and tag in (channel.qos._delivered or ()):
                channel.basic_reject(tag, requeue=False)
