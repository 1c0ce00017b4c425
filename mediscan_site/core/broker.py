"""The embedded broker: messages as files of one folder, each of them whole as soon as a worker can see it.

A worker that is killed takes its message along; see findings/kombu_filesystem_loses_what_a_killed_worker_held.sh; the
sweep of `core.work` gives the row out again.
"""

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any, Final, cast

from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps, loads

from mediscan_site.core.bell import Bell
from mediscan_site.core.careful import CarefulTransport, set_aside

# For what another machine wrote into a shared folder, which no kernel tells of.
REST_S: Final = 1.0


class Channel(filesystem.Channel):
    """kombu's own opens the file under its final name before it writes: a worker that picked it up in between read nothing,
    and died. So it did of any file that is not JSON."""

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 -- kombu's
        super().basic_ack(delivery_tag, multiple)
        # There is room for the next message now: it need not wait for the next look.
        cast(Transport, self.connection).rouse()

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # two names in its bases
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        # Workers look at what follows the first dot, so they skip a name that begins with one.
        draft = folder / f".{name}"
        draft.write_bytes(str_to_bytes(dumps(payload)))
        draft.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 -- names alone: this runs twenty times a second
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            data = _taken(folder / name)
            if data is None:
                continue
            try:
                return loads(data.decode())
            except ValueError as error:
                set_aside(data, error)
        raise Empty


def _taken(path: Path) -> bytes | None:
    """What the file says, for one of those who want it; it is gone then."""
    mine = path.with_name(f".{path.name}.taken")
    try:
        path.rename(mine)
        data = mine.read_bytes()
        mine.unlink()
    except OSError:
        # Another worker was quicker, or it is no file at all.
        return None
    return data


class Transport(CarefulTransport, filesystem.Transport):
    """kombu's own looks into the folder every `polling_interval`. This one looks at once when a message came in or one was done
    with (of a grade of a few milliseconds, looking took most of the time), and else rests: REST_S where the kernel tells what
    comes in, as looking twenty times a second is most of what an idle worker does; `polling_interval` where it does not."""

    Channel = Channel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self._bell: Bell | None = None

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        began = time.monotonic()
        # Before the first look: what comes in after it rings.
        bell = self._listening()
        while True:
            try:
                cast(Any, self.cycle).get(self._deliver, timeout=timeout)
            except Empty:
                if timeout is not None and time.monotonic() - began >= timeout:
                    raise TimeoutError from None
                told = bell.fileno() is not None
                longest = REST_S if told else float(self.polling_interval or 0.0)
                bell.wait(longest if timeout is None else min(longest, timeout))
            else:
                return

    def rouse(self) -> None:
        """From any thread: look now."""
        if self._bell is not None:
            self._bell.rouse()

    def _listening(self) -> Bell:
        if self._bell is None:
            self._bell = Bell(Path(cast(Any, self.client).transport_options["data_folder_in"]))
        return self._bell

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        if self._bell is not None:
            self._bell.close()
            self._bell = None
