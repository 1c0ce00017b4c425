"""What the keys of a keys file are for. How the file looks: `keyformat`.

The file is only ever put in place whole (written aside, synced, then linked or renamed), so a reader never
sees half of it. Losing it loses every stored file: keep a copy apart from the backups.
"""

import base64
import contextlib
import fcntl
import hmac
import os
import secrets
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mediscan_site.core.storage import keyfile
from mediscan_site.core.storage.envelope import KEY_SIZE, TAG_SIZE, DamagedObject
from mediscan_site.core.storage.keyfile import KeyMissing, KeysError
from mediscan_site.core.storage.keyformat import PURPOSES, Content, derived, new_id, parse, serialise

__all__ = ["KeyMissing", "KeyRing", "KeysError"]

NONCE_SIZE: Final = 12
WRAPPED_SIZE: Final = NONCE_SIZE + KEY_SIZE + TAG_SIZE
_SEALED_TEXT: Final = "sealed text"


class KeyRing:
    """The keys of one site, as its keys file has them. Never changes: changing the file gives a new ring."""

    def __init__(self, *, primary: str, masters: Mapping[str, bytes], purposes: Mapping[str, bytes]) -> None:
        """Keys that were checked already: use `load`, `create` or `load_or_create`."""
        self._primary = primary
        self._masters = dict(masters)
        self._purposes = dict(purposes)

    def __repr__(self) -> str:
        return f"<KeyRing primary={self._primary} ids={','.join(self.ids)}>"

    @classmethod
    def _of(cls, content: Content) -> "KeyRing":
        return cls(primary=content.primary, masters=content.masters, purposes=content.purposes)

    def _content(self) -> Content:
        return Content(self._primary, self._masters, self._purposes)

    @classmethod
    def load(cls, path: Path) -> "KeyRing":
        """The ring in `path`; KeysError with the remedy when it is missing, exposed or malformed."""
        return cls.parse(keyfile.read_private(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> "KeyRing":
        """The ring in the content of a keys file; `path` is only named in the KeysError for one that is malformed."""
        return cls._of(parse(content, path))

    @classmethod
    def create(cls, path: Path) -> "KeyRing":
        """Write a new keys file; KeysError when there already is one: it is never overwritten."""
        master = secrets.token_bytes(KEY_SIZE)
        name = new_id(master, ())
        purposes = {purpose: secrets.token_bytes(KEY_SIZE) for purpose in PURPOSES}
        ring = cls(primary=name, masters={name: master}, purposes=purposes)
        with keyfile.explained(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            keyfile.write(path, serialise(ring._content()), new=True)
        return ring

    @classmethod
    def load_or_create(cls, path: Path) -> "KeyRing":
        """The ring in `path`, made when missing. Processes that start together all get the same one."""
        if not os.path.lexists(path):
            with contextlib.suppress(keyfile.AlreadyThereError):
                return cls.create(path)
        return cls.load(path)

    @classmethod
    def add_master(cls, path: Path) -> "KeyRing":
        """Add a new master to the file and make it the primary; the old ones stay for what they wrapped."""
        with _changing(path) as ring:
            master = secrets.token_bytes(KEY_SIZE)
            name = new_id(master, ring.ids)
            changed = cls(primary=name, masters={**ring._masters, name: master}, purposes=ring._purposes)
            keyfile.write(path.resolve(), serialise(changed._content()), new=False)
        return changed

    @classmethod
    def remove_master(cls, path: Path, key_id: str) -> "KeyRing":
        """Remove a master from the file. What is still wrapped under it is lost: the caller checks first."""
        with _changing(path) as ring:
            if key_id not in ring._masters:
                raise KeyMissing(key_id)
            if key_id == ring.primary_id:
                raise KeysError(f"Master key {key_id!r} is the primary: add a new one and re-wrap before removing it.")
            masters = {name: key for name, key in ring._masters.items() if name != key_id}
            changed = cls(primary=ring.primary_id, masters=masters, purposes=ring._purposes)
            keyfile.write(path.resolve(), serialise(changed._content()), new=False)
        return changed

    @property
    def primary_id(self) -> str:
        """Id of the master that wraps new file keys."""
        return self._primary

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all masters, sorted."""
        return tuple(sorted(self._masters))

    def checks(self) -> dict[str, str]:
        """What each key can be known by and not be computed from, by the key's name; masters are `master NAME`."""
        keys = {**{f"master {name}": key for name, key in self._masters.items()}, **self._purposes}
        return {name: derived(key, "key check").hex() for name, key in keys.items()}

    @property
    def audit_key(self) -> bytes:
        """32 bytes for the HMAC that chains the audit log."""
        return self._purposes["audit"]

    @property
    def signing_seed(self) -> bytes:
        """32 bytes: the private Ed25519 key."""
        return self._purposes["signing"]

    @property
    def signing_public(self) -> bytes:
        """32 bytes: the public Ed25519 key, for whoever checks a signature."""
        return Ed25519PrivateKey.from_private_bytes(self.signing_seed).public_key().public_bytes_raw()

    @property
    def pseudonym_key(self) -> bytes:
        """32 bytes for the HMAC behind `pseudonym`."""
        return self._purposes["pseudonym"]

    @property
    def jwt_key(self) -> bytes:
        """32 bytes that sign API tokens (HS256)."""
        return self._purposes["jwt"]

    def wrap(self, file_key: bytes, *, object_id: str) -> tuple[str, bytes]:
        """The primary's id and the file key wrapped under it, bound to the object: 60 bytes."""
        if len(file_key) != KEY_SIZE or not object_id:
            raise ValueError(f"Wrapping needs a file key of {KEY_SIZE} bytes and an object id.")
        nonce = os.urandom(NONCE_SIZE)
        sealed = AESGCM(self._masters[self._primary]).encrypt(nonce, file_key, object_id.encode())
        return self._primary, nonce + sealed

    def unwrap(self, wrapped: bytes, *, key_id: str, object_id: str) -> bytes:
        """The file key; KeyMissing without its master, DamagedObject when it is not this object's."""
        try:
            if len(wrapped) != WRAPPED_SIZE:
                raise InvalidTag
            return _opened(self._master(key_id), wrapped, object_id)
        except InvalidTag:
            raise DamagedObject(
                f"The file key of object {object_id} does not open with master key {key_id!r}: "
                "it is damaged or belongs to another object or keys file."
            ) from None

    def seal(self, text: str, *, context: str) -> tuple[str, bytes]:
        """The primary's id and a short text, encrypted under a key derived from the primary and bound to `context`."""
        key = derived(self._masters[self._primary], _SEALED_TEXT)
        nonce = os.urandom(NONCE_SIZE)
        return self._primary, nonce + AESGCM(key).encrypt(
            nonce, text.encode("utf-8", "surrogatepass"), context.encode()
        )

    def unseal(self, sealed: bytes, *, key_id: str, context: str) -> str:
        """The text; KeyMissing without its master, DamagedObject when it is damaged or of another context."""
        try:
            text = _opened(derived(self._master(key_id), _SEALED_TEXT), sealed, context)
        except InvalidTag:
            raise DamagedObject("A sealed text does not open: it is damaged or of another keys file.") from None
        return text.decode("utf-8", "surrogatepass")

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one named purpose, the same for as long as the keys file lives; masters may come and go."""
        return derived(self.pseudonym_key, purpose)

    def _master(self, key_id: str) -> bytes:
        if key_id not in self._masters:
            raise KeyMissing(key_id)
        return self._masters[key_id]

    def pseudonym(self, value: str, *, scope: str) -> str:
        """`P` and 16 base32 characters (80 bits of HMAC-SHA256), the same for the same value and scope.

        Unicode form (NFC), case and surrounding blanks are ignored. ValueError for a blank value.
        """
        normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold()).strip()
        if not normal:
            raise ValueError("A blank value has no pseudonym: leave the field empty instead.")
        # "surrogatepass": file names may hold lone surrogates, and they too need a stable pseudonym.
        parts = [text.encode("utf-8", "surrogatepass") for text in (scope, normal)]
        message = len(parts[0]).to_bytes(4, "big") + parts[0] + parts[1]
        return "P" + base64.b32encode(hmac.digest(self.pseudonym_key, message, "sha256")[:10]).decode()


def _opened(key: bytes, sealed: bytes, associated: str) -> bytes:
    """The plaintext behind nonce, ciphertext and tag; InvalidTag otherwise."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise InvalidTag
    return AESGCM(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated.encode())


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[KeyRing]:
    """The ring as it is now, held against other changers: two at once would lose a master, and files with it."""
    with keyfile.explained(path), keyfile.folder(path.resolve()) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield KeyRing.load(path)


def main() -> None:
    """`python -m mediscan_site.core.storage.keys PATH`: make the keys file of a new site."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("Usage: python -m mediscan_site.core.storage.keys PATH")
    try:
        KeyRing.create(Path(sys.argv[1]).expanduser())
    except KeysError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{sys.argv[1]}: made, mode 0600. Keep a copy of it apart from the backups.\n")


if __name__ == "__main__":
    main()
