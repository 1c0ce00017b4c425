"""Who made a backup. Encrypting needs no secret, so anybody could make one that decrypts; only its signature shows whose it is.

The key is derived from the key ring's `signing` key, so that no signature over anything else is ever one over a backup.
"""

import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mediscan_site.core.backup.layout import BackupError
from mediscan_site.core.storage.keys import KeyRing

_PURPOSE = b"mediscan backup manifest, version 1"


def _key(ring: KeyRing) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(ring.signing_seed, _PURPOSE, "sha256"))


def signer(ring: KeyRing) -> str:
    """The public key, in hex: what a backup of this site names as its maker."""
    return _key(ring).public_key().public_bytes_raw().hex()


def sign(manifest: bytes, ring: KeyRing) -> str:
    return _key(ring).sign(manifest).hex()


def require_signature(manifest: bytes, signature: str, *, trusted: str) -> None:
    """BackupError unless the trusted signer signed exactly these bytes."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(trusted))
        key.verify(bytes.fromhex(signature.strip()), manifest)
    except (InvalidSignature, ValueError):
        raise BackupError(
            "The manifest's signature is not valid: the backup is forged, damaged or of another site. Nothing was "
            "changed. Take another backup, or restore with the keys file of the site that made it."
        ) from None
