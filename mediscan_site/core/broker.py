"""The embedded broker: messages as files of one folder, each of them whole as soon as a worker can see it.

A worker that is killed takes its message along; see findings/kombu_filesystem_loses_what_a_killed_worker_held.sh; the
sweep of `core.work` gives the row out again.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """kombu's own opens the file under its final name before it writes: a worker that picked it up in between read nothing,
    and died."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # two names in its bases
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        # Workers look at what follows the first dot, so they skip a name that begins with one.
        draft = folder / f".{name}"
        draft.write_bytes(str_to_bytes(dumps(payload)))
        draft.rename(folder / name)


class Transport(filesystem.Transport):
    Channel = Channel
