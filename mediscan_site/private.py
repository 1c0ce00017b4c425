"""The site's folders and files are its own: nobody else on the machine may look into them, whatever they were before."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

OTHERS = 0o077
# What SQLite keeps beside a database.
BESIDE = ("", "-wal", "-shm", "-journal")


def from_now_on() -> None:
    """Whatever this process makes is private; its children inherit that."""
    os.umask(OTHERS)


def folder(path: Path, *, name: str) -> Path:
    """The folder, made when missing, closed to others. ImproperlyConfigured when it is open and only its owner could close it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _close(path, name)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {path} cannot be used ({error.strerror}).") from error
    return path


def files(paths: Iterable[Path], *, name: str) -> None:
    """The same for files, those that there are."""
    for path in paths:
        try:
            _close(path, name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ImproperlyConfigured(f"{name}: {path} cannot be used ({error.strerror}).") from error


def database(path: Path, *, name: str = "The database") -> None:
    files((path.with_name(f"{path.name}{ending}") for ending in BESIDE), name=name)


def _close(path: Path, name: str) -> None:
    facts = path.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if not mode & OTHERS:
        return
    if os.geteuid() not in (facts.st_uid, 0):
        raise ImproperlyConfigured(
            f"{name}: others may look into {path} (mode {mode:04o}), and it is not this account's to close. As its owner: "
            f"chmod {mode & ~OTHERS:04o} {path}, or make this account its owner."
        )
    path.chmod(mode & ~OTHERS)
