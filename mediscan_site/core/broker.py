"""The embedded broker: messages as files of one folder, each of them whole as soon as a worker can see it.

A worker that is killed takes its message along; see findings/kombu_filesystem_loses_what_a_killed_worker_held.sh; the
sweep of `core.work` gives the row out again.
"""

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps, loads

from mediscan_site.core.careful import CarefulTransport, set_aside


class Channel(filesystem.Channel):
    """kombu's own opens the file under its final name before it writes: a worker that picked it up in between read nothing,
    and died. So it did of any file that is not JSON."""

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
    Channel = Channel
