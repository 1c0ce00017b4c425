"""Redis as the broker. A text in its list that is not JSON would end the worker that takes it."""

from typing import Any

from kombu.transport import redis

from mediscan_site.core.careful import CarefulTransport, set_aside


class Channel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except ValueError as error:
            # It was taken off the list before it was read: there is nothing left to keep.
            set_aside("", error)
            return True


class Transport(CarefulTransport, redis.Transport):
    Channel = Channel
