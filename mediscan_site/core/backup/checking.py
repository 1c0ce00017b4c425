"""Reading a backup back: is it the one that was made, is it whole, does it open."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mediscan_site.core.backup import layout, objects, sealing, signing
from mediscan_site.core.backup.layout import BackupError, Manifest
from mediscan_site.core.backup.sealing import Identity

log = logging.getLogger(__name__)

SHOWN = 5


@dataclass(frozen=True)
class Sound:
    """A backup whose signature, files and objects were checked. `erased`: ids destroyed on purpose, here or later; `lost`:
    those that it should hold and does not, when that was allowed."""

    folder: Path
    manifest: Manifest
    erased: frozenset[str]
    lost: frozenset[str] = frozenset()

    @property
    def root(self) -> Path:
        return self.folder.parent

    def entries(self) -> Iterator[layout.Entry]:
        """The objects that the backup holds, without those erased since."""
        listed = layout.entries(self.folder / layout.OBJECTS)
        without = self.erased | self.lost
        return (entry for entry in listed if str(entry.id) not in without)


def manifest_of(folder: Path, *, trusted: str) -> Manifest:
    """The manifest, if the trusted signer signed it and it is in the folder that it names. BackupError otherwise."""
    data = layout.read_small(folder / layout.MANIFEST)
    signature = layout.read_small(folder / layout.SIGNATURE).decode("ascii", errors="replace")
    signing.require_signature(data, signature, trusted=trusted)
    manifest = layout.parse(data)
    # A signed backup under another's name would pass for newer or older than it is.
    if manifest.name != folder.name.removeprefix(layout.PARTIAL):
        raise BackupError(f"The folder {folder.name} holds the backup {manifest.name}. Give it back its name.")
    return manifest


def _erased_by_now(root: Path, manifest: Manifest, *, trusted: str) -> frozenset[str]:
    """Ids that this backup or a newer one of the same site says were destroyed on purpose."""
    erased = set(manifest.erased)
    for newer in layout.folders(root):
        if newer.name > manifest.name:
            try:
                erased.update(manifest_of(newer, trusted=trusted).erased)
            except BackupError as error:
                # A newer one that is damaged must not stand in the way of an older one that is whole.
                log.warning("What %s says of erased objects is not counted: %s", newer.name, error)
    return frozenset(erased)


def _no_progress(fraction: float) -> None:
    pass


def check(
    folder: Path,
    *,
    trusted: str,
    identity: Identity | None = None,
    entries: Sequence[layout.Entry] | None = None,
    mend: Callable[[layout.Entry], bool] | None = None,
    allow_lost: bool = False,
    progress: Callable[[float], None] = _no_progress,
) -> Sound:
    """Every byte of it; with an identity also whether it decrypts to what was dumped. BackupError names what is wrong.

    `entries`: the objects to read, where the others are known to be whole. `mend` is asked for each missing or damaged object,
    and returns whether the backup has it whole now."""
    manifest = manifest_of(folder, trusted=trusted)
    for name, stored in manifest.files.items():
        _require_file(folder / name, stored)
    if identity is not None:
        _require_opens(folder, manifest, identity)
    sound = Sound(folder, manifest, _erased_by_now(folder.parent, manifest, trusted=trusted))
    to_read = sound.entries() if entries is None else entries
    counted = _counted(to_read, manifest.objects if entries is None else len(entries), progress)
    damaged = [
        str(entry.id) for entry in counted if not objects.whole(sound.root, entry) and not (mend and mend(entry))
    ]
    if damaged and not allow_lost:
        raise BackupError(
            f"{len(damaged)} of {manifest.objects} objects of {manifest.name} are missing or damaged, among them "
            f"{', '.join(damaged[:SHOWN])}. The next backup of a running "
            "site copies them again. To restore, take another backup, or leave them out: restore --without-damaged."
        )
    return replace(sound, lost=frozenset(damaged))


def _require_file(path: Path, stored: layout.Stored) -> None:
    try:
        same = layout.digest(path) == stored
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}. Take another backup.") from error
    if not same:
        raise BackupError(f"{path.name} of {path.parent.name} is not the file that was signed. Take another backup.")


def _require_opens(folder: Path, manifest: Manifest, identity: Identity) -> None:
    sealing.unseal(folder / layout.KEYS, None, identity.keys)
    if sealing.unseal(folder / layout.DATABASE, None, identity.keys) != manifest.plain_database:
        raise BackupError(f"{layout.DATABASE} decrypts to something other than what was dumped. Take another backup.")


def _counted(entries: Iterable[layout.Entry], total: int, progress: Callable[[float], None]) -> Iterator[layout.Entry]:
    """The same, and how far one is after each."""
    for number, entry in enumerate(entries, start=1):
        yield entry
        progress(number / max(total, 1))
