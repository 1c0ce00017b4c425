"""age encryption of the two secret files of a backup. The server knows only recipients (public keys): it cannot read what it made.

pyrage reports a failed read or write in words of its own; the wrappers here keep the real error.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyrage

from mediscan_site.core.backup.layout import BackupError, Stored

IDENTITY_HEADER = "# signed by: "
_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 -- how each identity begins, not a secret


@dataclass
class _Passing:
    """A file that hashes what passes through it and remembers the error that stopped it."""

    file: Any
    look: Callable[[bytes], None] | None = None
    size: int = 0
    error: Exception | None = None
    _digest: Any = field(default_factory=hashlib.sha256)

    def _seen(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        if self.look is not None:
            self.look(data)

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self.file.read(size)
            self._seen(data)
        except Exception as error:
            self.error = error
            raise
        return data

    def write(self, data: bytes) -> int:
        try:
            self.file.write(data)
            self._seen(data)
        except Exception as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        try:
            self.file.flush()
        except Exception as error:
            self.error = error
            raise

    @property
    def stored(self) -> Stored:
        return Stored(self._digest.hexdigest(), self.size)


def parse_recipients(texts: list[str]) -> list[pyrage.x25519.Recipient]:
    """The public keys that a backup is encrypted to; BackupError when there is none or one is not valid."""
    recipients = []
    for text in texts:
        try:
            recipients.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise BackupError(
                f"{text[:20]!r} is not an age recipient. It must look like age1…: make one with age-keygen."
            ) from error
    if not recipients:
        raise BackupError("No recipient: set BACKUP_RECIPIENTS to the public key that age-keygen prints (age1…).")
    return recipients


def seal(
    source: BinaryIO,
    target: Path,
    recipients: list[pyrage.x25519.Recipient],
    *,
    look: Callable[[bytes], None] | None = None,
) -> tuple[Stored, Stored]:
    """Encrypt a stream into a new file, flat in memory; what it is as stored, and as it came. `look` sees the plaintext pass."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        plain, sealed = _Passing(source, look), _Passing(file)
        try:
            pyrage.encrypt_io(cast(BinaryIO, plain), cast(BinaryIO, sealed), recipients)
        except pyrage.EncryptError as error:
            raise (plain.error or sealed.error or error) from None
        file.flush()
        os.fsync(file.fileno())
    return sealed.stored, plain.stored


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass


def unseal(source: Path, target: Any, identities: list[pyrage.x25519.Identity]) -> Stored:
    """Decrypt a file into a stream (None: only to see that it can be); what came out. BackupError when it does not open."""
    written = _Passing(_Nowhere() if target is None else target)
    with source.open("rb") as file:
        sealed = _Passing(file)
        try:
            pyrage.decrypt_io(cast(BinaryIO, sealed), cast(BinaryIO, written), identities)
        except (pyrage.DecryptError, OSError) as error:
            real = written.error or sealed.error
            if real is not None:
                raise real from None
            raise BackupError(
                f"{source.name} does not open ({error}). Give the identity that belongs to the site's recipients "
                "(--identity FILE); if it is the right one, the file is damaged: take another backup."
            ) from None
    return written.stored


@dataclass(frozen=True)
class Identity:
    """The secret half, kept away from the server. `signer`: whose backups it opens, when the file says so."""

    keys: list[pyrage.x25519.Identity]
    signer: str = ""


def read_identity(path: Path) -> Identity:
    """An identity file as age-keygen (or this site) writes it."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(_SECRET)]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise BackupError(
            f"The identity file {path} cannot be used ({error}). Give the file that age-keygen made."
        ) from error
    if not keys:
        raise BackupError(
            f"{path} holds no identity: a line must begin with {_SECRET}1. Give the file that age-keygen made."
        )
    signers = [line.removeprefix(IDENTITY_HEADER) for line in lines if line.startswith(IDENTITY_HEADER)]
    return Identity(keys, signers[0] if signers else "")


def make_identity(path: Path, *, signer: str) -> str:
    """Write a new identity file (mode 0600, never overwriting one); its recipient."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    text = (
        "# Opens the backups of this MediScan. Whoever has this file and a backup reads every patient; without it no\n"
        "# backup can be restored. Move it to a safe place off this machine and keep a copy.\n"
        f"# public key: {recipient}\n{IDENTITY_HEADER}{signer}\n{identity}\n"
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return recipient
