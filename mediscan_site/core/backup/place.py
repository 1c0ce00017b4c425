"""Where backups go and who may read them, as the settings say; one writer at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrage
from django.conf import settings

from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.backup.sealing import Identity, make_identity, parse_recipients, read_identity
from mediscan_site.core.backup.signing import signer
from mediscan_site.core.storage import ring

IDENTITY_FILE = "backup-identity.txt"
RECIPIENTS_FILE = "backup-recipients.txt"
LOUD = (
    "The identity that opens the backups is in {path}. It was made just now and is next to the keys: move it to a safe place "
    "off this machine, keep a copy, and delete it here. Without it no backup can be restored."
)


def root() -> Path:
    """BACKUP_DIR, if it can be used. It is never made: an unmounted disk must not end in backups on the disk they guard."""
    if not settings.BACKUP_DIR:
        raise BackupError("BACKUP_DIR is not set. Set it to a folder on another disk or machine (docs/operations.md).")
    path = Path(settings.BACKUP_DIR)
    if not path.is_dir():
        raise BackupError(f"BACKUP_DIR {path} does not exist. Mount it, or make the folder if it is a new one.")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise BackupError(f"BACKUP_DIR {path} cannot be written. Give it to the account that runs MediScan.")
    return path


@contextmanager
def held() -> Iterator[Path]:
    """BACKUP_DIR for one writer; BackupError while another is at work, or when it belongs to another site."""
    path = root()
    with (path / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                "Another backup or verification is at work on BACKUP_DIR. Try again when it has ended."
            ) from None
        _require_ours(path)
        yield path


def _require_ours(path: Path) -> None:
    """Pruning removes what no backup of this site needs: another site's objects must not be here."""
    mark, ours = path / "signer", signer(ring.current())
    if not mark.exists():
        mark.write_text(f"{ours}\n")
    if mark.read_text().strip() != ours:
        raise BackupError(f"BACKUP_DIR {path} holds the backups of another site. Choose another folder for this one.")


def own_identity() -> Path:
    """Where the embedded mode puts the identity that it makes; nobody's, once it was moved away."""
    return Path(settings.KEYS_FILE.parent) / IDENTITY_FILE


def recipients() -> tuple[list[pyrage.x25519.Recipient], str]:
    """Whom backups are encrypted to, and what the operator must know. The embedded mode makes an identity once."""
    if settings.BACKUP_RECIPIENTS:
        return parse_recipients(settings.BACKUP_RECIPIENTS), ""
    kept_file = Path(settings.BACKUP_RECIPIENTS_FILE or settings.KEYS_FILE.parent / RECIPIENTS_FILE)
    if kept_file.is_file():
        return parse_recipients(_listed(kept_file)), ""
    if settings.BACKUP_RECIPIENTS_FILE or not settings.EMBEDDED:
        where = (
            f"BACKUP_RECIPIENTS_FILE {kept_file} does not exist"
            if settings.BACKUP_RECIPIENTS_FILE
            else "No recipient is set"
        )
        raise BackupError(
            f"{where}. Run age-keygen on a machine that is not this one, keep what it prints there, and set "
            "BACKUP_RECIPIENTS to its public key (age1…)."
        )
    return _made(kept_file)


def _listed(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _made(kept: Path) -> tuple[list[pyrage.x25519.Recipient], str]:
    path = own_identity()
    if path.exists():
        recipients = [str(key.to_public()) for key in read_identity(path).keys]
    else:
        recipients = [make_identity(path, signer=signer(ring.current()))]
    _keep(kept, recipients)
    return parse_recipients(recipients), LOUD.format(path=path)


def _keep(kept: Path, found: list[str]) -> None:
    kept.write_text("# Whom the backups are encrypted to (public).\n" + "\n".join(found) + "\n")


def go_on_for(used: Identity) -> None:
    """A restored embedded site encrypts to the identity that it was restored with, and makes no other."""
    kept_file = Path(settings.KEYS_FILE.parent) / RECIPIENTS_FILE
    if settings.EMBEDDED and not kept_file.exists():
        _keep(kept_file, [str(key.to_public()) for key in used.keys])


def identity(given: Path | None) -> Identity | None:
    """The identity of `--identity`, else the site's own while it is still here, else None."""
    if given is None and not own_identity().is_file():
        return None
    return read_identity(given or own_identity())
