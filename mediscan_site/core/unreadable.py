"""Messages that no worker of this site can read: cut short, foreign, or not from this site at all.

A message is only a wake-up, so none of them is worth a worker: it is set aside in a private folder, said once in the log and
as a notice, and the worker goes on. The sweep of `core.work` wakes whoever the message may have been meant for."""

import json
import logging
import os
import uuid
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import Error, connection

from mediscan_site.core import notices, tidy

log = logging.getLogger(__name__)
NOTICE: Final = "broker.unreadable"
# What is kept for a look: the beginning of a few.
KEPT_BYTES: Final = 64 * 2**10
KEPT_FILES: Final = 100
WORDS: Final = (
    "Messages that no worker can read were set aside in {folder}. Something else than this site writes into its broker, or a "
    "disk loses data: look at them, see who can write there, then delete the files."
)


def folder() -> Path:
    made: Path = settings.DATA_DIR / "unreadable-messages"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


def set_aside(message: object, error: BaseException | str) -> None:
    """Keep the message for a look and tell administrators. Never raises: whoever calls has to go on."""
    try:
        kept = _kept(message)
        log.error("A message that no worker can read is in %s (%s)", kept, _kind(error))
        _tell()
    except (OSError, Error):
        log.exception("A message that no worker can read is dropped (%s)", _kind(error))


def _kind(error: BaseException | str) -> str:
    """Not the text of an error: it may hold what the message holds."""
    return error if isinstance(error, str) else type(error).__name__


def _kept(message: object) -> Path:
    """The file that has it, or the folder when that is full."""
    place = folder()
    if sum(1 for _ in place.iterdir()) >= KEPT_FILES:
        return place
    path = place / f"{uuid.uuid4()}.msg"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_bytes(message)[:KEPT_BYTES])
    return path


def _bytes(message: object) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message, default=repr).encode()


def _tell() -> None:
    try:
        notices.put(NOTICE, WORDS.format(folder=folder()))
    finally:
        # The process that reads messages is not the one that works: it keeps no connection.
        if not connection.in_atomic_block:
            connection.close()


@tidy.register
def forget_when_mended() -> None:
    """Somebody has looked and deleted them."""
    if not any(folder().iterdir()):
        notices.take_away(NOTICE)
