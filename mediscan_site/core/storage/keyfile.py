"""The keys file as a file: private, put in place whole, never overwritten by a new one. What is in it: `keys`."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path


class KeysError(Exception):
    """The keys file cannot be used; the message says why and what to do."""


class KeyMissing(KeysError):
    """A master key that something was wrapped under is not in the keys file."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"Master key {key_id!r} is not in the keys file. Restore the keys file that has it from its backup."
        )
        self.key_id = key_id


class AlreadyThereError(KeysError):
    """A keys file exists where a new one was to be made."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a refusal of the operating system into a KeysError."""
    try:
        yield
    except OSError as error:
        raise KeysError(f"The keys file {path} cannot be used: {error.strerror}. Check path and owner.") from error


def read_private(path: Path) -> bytes:
    """The file's bytes, if only its owner may touch it (checked on the open file, not on its name)."""
    if not os.path.lexists(path):
        raise KeysError(f"There is no keys file at {path}. Restore it from its copy. Only a new site creates one.")
    with explained(path), path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            raise KeysError(f"Others may use the keys file {path} (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}")
        return file.read()


def write(path: Path, content: bytes, *, new: bool) -> None:
    """Write the file aside, sync it, put it in place whole and sync the folder. AlreadyThereError for a new one over an old."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(aside, path)  # fails when the name is taken, unlike a rename: no race can overwrite keys
        else:
            aside.replace(path)
    except FileExistsError:
        raise AlreadyThereError(f"There is already a keys file at {path}: use it, or name another path.") from None
    finally:
        aside.unlink(missing_ok=True)
    with folder(path) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
