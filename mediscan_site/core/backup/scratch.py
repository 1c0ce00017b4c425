"""Where a restore is rehearsed: a folder and a database beside those of the live site, gone again afterwards."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection

from mediscan_site.core.backup.layout import BackupError, Manifest
from mediscan_site.core.storage import room

FOLDER: Final = "mediscan-drill"
SUFFIX: Final = "_mediscan_drill"
LONGEST_NAME: Final = 60
# A database takes more room loaded than as a dump, and SQLite's is there twice for a moment.
LOADED: Final = 4
_CREATE: Final = {
    "mysql": "CREATE DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "postgresql": "CREATE DATABASE {}",
}
_GRANT: Final = {
    "mysql": "GRANT ALL ON {name}.* TO {account}",
    "postgresql": "ALTER ROLE {account} CREATEDB",
}


@contextlib.contextmanager
def folder(manifest: Manifest) -> Iterator[Path]:
    """An empty folder with room for this backup; what a killed rehearsal left there is removed first. BackupError without room."""
    path = Path(settings.DRILL_DIR) / FOLDER
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        _require_room(path, manifest)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _require_room(path: Path, manifest: Manifest) -> None:
    needed = manifest.objects_size + LOADED * manifest.plain_database.size
    found = room.disk(path)
    if found.free - needed < found.floor:
        raise BackupError(
            f"{path} has {found.free / room.GIB:.2f} GiB left, and the rehearsal needs {needed / room.GIB:.2f} GiB and "
            f"leaves {found.floor / room.GIB:.2f} GiB free. Make room, or set DRILL_DIR to a folder on another disk."
        )


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The address of an empty database of the same engine; empty for SQLite, whose file is in the folder. BackupError names
    the right that is missing."""
    if connection.vendor == "sqlite":
        yield ""
        return
    name = f"{str(connection.settings_dict['NAME'])[: LONGEST_NAME - len(SUFFIX)]}{SUFFIX}"
    quoted = connection.ops.quote_name(name)
    _execute(f"DROP DATABASE IF EXISTS {quoted}", quoted)
    _execute(_CREATE[connection.vendor].format(quoted), quoted)
    try:
        yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    finally:
        _execute(f"DROP DATABASE IF EXISTS {quoted}", quoted)


def _execute(statement: str, quoted: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as error:
        raise BackupError(
            f"The scratch database {quoted} cannot be made or removed ({error}). The account of DATABASE_URL needs the right: "
            f"{_GRANT[connection.vendor].format(name=quoted, account=connection.settings_dict['USER'])}."
        ) from error
