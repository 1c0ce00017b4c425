"""What a keys file says.

Format, version 1: one JSON object in a file that only its owner may read (mode 0600 or 0400)::

    {"version": 1,
     "primary": "k1-m4qz7a",
     "masters": {"k1-m4qz7a": K, ...},
     "audit": K, "signing": K, "pseudonym": K, "jwt": K}

Each K is 32 random bytes in base64, and no two are equal. The masters wrap file keys (the primary the new
ones, all of them the ones they wrapped before), `audit` chains the audit log, `signing` is an Ed25519
seed that signs model bundles, backups and the store's marker, `pseudonym` turns patient ids into pseudonyms
and gives each project its secret for de-identification, `jwt` signs API tokens. Short texts are sealed under
a key derived from a master, in the format of a wrapped file key.

A master is named by its number and six letters derived from the key itself, so that no two files call
different keys the same. Older files call theirs `k1`, `k2`, ...: any name of letters, digits, `-` and `_` is read.

A wrapped file key is: nonce (12 random bytes), AES-256-GCM ciphertext (32 bytes), tag (16 bytes); key is the
master, associated data the object id in UTF-8. Random nonces are safe for 2**32 files under one master
(NIST SP 800-38D, 8.3).
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mediscan_site.core.storage.envelope import KEY_SIZE
from mediscan_site.core.storage.keyfile import KeysError

VERSION: Final = 1
PURPOSES: Final = ("audit", "signing", "pseudonym", "jwt")
_FIELDS: Final = frozenset({"version", "primary", "masters", *PURPOSES})
_NUMBERED: Final = re.compile(r"k([0-9]{1,9})(-[a-z2-7]{6})?", re.ASCII)
_KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)


@dataclass(frozen=True)
class Content:
    """The keys of one file."""

    primary: str
    masters: dict[str, bytes]
    purposes: dict[str, bytes]


def derived(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=f"mediscan {purpose}".encode()).derive(key)


def new_id(key: bytes, others: Iterable[str]) -> str:
    """The name of a new master beside these: the next number, and letters that only this key has."""
    numbers = [int(found[1]) for name in others if (found := _NUMBERED.fullmatch(name))]
    letters = base64.b32encode(derived(key, "key name"))[:6].decode().lower()
    return f"k{1 + max(numbers, default=0)}-{letters}"


def serialise(content: Content) -> bytes:
    masters, purposes = (
        {name: base64.b64encode(key).decode() for name, key in keys.items()}
        for keys in (content.masters, content.purposes)
    )
    document = {"version": VERSION, "primary": content.primary, "masters": masters, **purposes}
    return json.dumps(document, indent=1).encode() + b"\n"


def parse(data: bytes, path: Path) -> Content:
    """The keys in the file's bytes; KeysError that names the wrong field, never a key."""
    try:
        document = json.loads(data, object_pairs_hook=_unrepeated)
        _require(isinstance(document, dict) and set(document) == _FIELDS, f"its fields must be {sorted(_FIELDS)}")
        _require(type(document["version"]) is int and document["version"] == VERSION, f"'version' must be {VERSION}")
        named = document["masters"]
        _require(isinstance(named, dict) and all(map(_KEY_ID.fullmatch, named)), "'masters' must map key ids to keys")
        _require(document["primary"] in list(named), "'primary' must name one of the masters")
        masters = {key_id: _decoded(value, f"masters.{key_id}") for key_id, value in named.items()}
        purposes = {name: _decoded(document[name], name) for name in PURPOSES}
        _require(len({*masters.values(), *purposes.values()}) == len(masters) + len(purposes), "two keys are equal")
    except (ValueError, RecursionError) as error:
        why = str(error) if type(error) is ValueError else "it is not JSON"
        raise KeysError(f"The keys file {path} is malformed: {why}. Restore it from its backup.") from None
    return Content(document["primary"], masters, purposes)


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
