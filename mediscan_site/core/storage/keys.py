"""The keys file and what its keys are for.

Format, version 1: one JSON object in a file that only its owner may read (mode 0600 or 0400)::

    {"version": 1,
     "primary": "k1",
     "masters": {"k1": K, ...},
     "audit": K, "signing": K, "pseudonym": K, "jwt": K}

Each K is 32 random bytes in base64, and no two are equal. The masters wrap file keys (the primary the new
ones, all of them the ones they wrapped before), `audit` chains the audit log, `signing` is an Ed25519
seed that signs model bundles and backups, `pseudonym` turns patient ids into pseudonyms and gives each
project its secret for de-identification, `jwt` signs API tokens. Short texts are sealed under a key derived
from a master, in the format of a wrapped file key.

A wrapped file key is: nonce (12 random bytes), AES-256-GCM ciphertext (32 bytes), tag (16 bytes); key is the
master, associated data the object id in UTF-8. Random nonces are safe for 2**32 files under one master
(NIST SP 800-38D, 8.3).

The file is only ever put in place whole (written aside, synced, then linked or renamed), so a reader never
sees half of it. Losing it loses every stored file: keep a copy apart from the backups.
"""

import base64
import contextlib
import fcntl
import hmac
import json
import os
import re
import secrets
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mediscan_site.core.storage import keyfile
from mediscan_site.core.storage.envelope import KEY_SIZE, TAG_SIZE, DamagedObject
from mediscan_site.core.storage.keyfile import KeyMissing, KeysError

__all__ = ["KeyMissing", "KeyRing", "KeysError"]

VERSION: Final = 1
NONCE_SIZE: Final = 12
WRAPPED_SIZE: Final = NONCE_SIZE + KEY_SIZE + TAG_SIZE
_PURPOSES: Final = ("audit", "signing", "pseudonym", "jwt")
_FIELDS: Final = frozenset({"version", "primary", "masters", *_PURPOSES})
_SEALED_TEXT: Final = "sealed text"
_NUMBERED: Final = re.compile(r"k[0-9]{1,9}", re.ASCII)
_KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)


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
    def load(cls, path: Path) -> "KeyRing":
        """The ring in `path`; KeysError with the remedy when it is missing, exposed or malformed."""
        return cls.parse(keyfile.read_private(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> "KeyRing":
        """The ring in the content of a keys file; `path` is only named in the KeysError for one that is malformed."""
        return _parse(content, path)

    @classmethod
    def create(cls, path: Path) -> "KeyRing":
        """Write a new keys file; KeysError when there already is one: it is never overwritten."""
        keys = {name: secrets.token_bytes(KEY_SIZE) for name in ("k1", *_PURPOSES)}
        ring = cls(primary="k1", masters={"k1": keys.pop("k1")}, purposes=keys)
        with keyfile.explained(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            keyfile.write(path, _serialise(ring), new=True)
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
            new_id = f"k{1 + max((int(name[1:]) for name in ring.ids if _NUMBERED.fullmatch(name)), default=0)}"
            masters = {**ring._masters, new_id: secrets.token_bytes(KEY_SIZE)}
            changed = cls(primary=new_id, masters=masters, purposes=ring._purposes)
            keyfile.write(path.resolve(), _serialise(changed), new=False)
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
            keyfile.write(path.resolve(), _serialise(changed), new=False)
        return changed

    @property
    def primary_id(self) -> str:
        """Id of the master that wraps new file keys."""
        return self._primary

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all masters, sorted."""
        return tuple(sorted(self._masters))

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
        key = _derived(self._masters[self._primary], _SEALED_TEXT)
        nonce = os.urandom(NONCE_SIZE)
        return self._primary, nonce + AESGCM(key).encrypt(
            nonce, text.encode("utf-8", "surrogatepass"), context.encode()
        )

    def unseal(self, sealed: bytes, *, key_id: str, context: str) -> str:
        """The text; KeyMissing without its master, DamagedObject when it is damaged or of another context."""
        try:
            text = _opened(_derived(self._master(key_id), _SEALED_TEXT), sealed, context)
        except InvalidTag:
            raise DamagedObject("A sealed text does not open: it is damaged or of another keys file.") from None
        return text.decode("utf-8", "surrogatepass")

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one named purpose, the same for as long as the keys file lives; masters may come and go."""
        return _derived(self.pseudonym_key, purpose)

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


def _derived(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=f"mediscan {purpose}".encode()).derive(key)


def _opened(key: bytes, sealed: bytes, associated: str) -> bytes:
    """The plaintext behind nonce, ciphertext and tag; InvalidTag otherwise."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE:
        raise InvalidTag
    return AESGCM(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated.encode())


def _serialise(ring: KeyRing) -> bytes:
    masters, purposes = (
        {name: base64.b64encode(key).decode() for name, key in keys.items()} for keys in (ring._masters, ring._purposes)
    )
    document = {"version": VERSION, "primary": ring.primary_id, "masters": masters, **purposes}
    return json.dumps(document, indent=1).encode() + b"\n"


def _parse(data: bytes, path: Path) -> KeyRing:
    """The ring in the file's bytes; KeysError that names the wrong field, never a key."""
    try:
        document = json.loads(data, object_pairs_hook=_unrepeated)
        _require(isinstance(document, dict) and set(document) == _FIELDS, f"its fields must be {sorted(_FIELDS)}")
        _require(type(document["version"]) is int and document["version"] == VERSION, f"'version' must be {VERSION}")
        named = document["masters"]
        _require(isinstance(named, dict) and all(map(_KEY_ID.fullmatch, named)), "'masters' must map key ids to keys")
        _require(document["primary"] in list(named), "'primary' must name one of the masters")
        masters = {key_id: _decoded(value, f"masters.{key_id}") for key_id, value in named.items()}
        purposes = {name: _decoded(document[name], name) for name in _PURPOSES}
        _require(len({*masters.values(), *purposes.values()}) == len(masters) + len(purposes), "two keys are equal")
    except (ValueError, RecursionError) as error:
        why = str(error) if type(error) is ValueError else "it is not JSON"
        raise KeysError(f"The keys file {path} is malformed: {why}. Restore it from its backup.") from None
    return KeyRing(primary=document["primary"], masters=masters, purposes=purposes)


def _require(true: object, otherwise: str) -> None:
    if not true:
        raise ValueError(otherwise)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    _require(len(entries) == len(pairs), "a field occurs twice")
    return entries


def _decoded(value: object, field: str) -> bytes:
    try:
        key = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        key = b""
    _require(len(key) == KEY_SIZE, f"{field!r} must be {KEY_SIZE} bytes in base64")
    return key


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
