"""Keyed values that stand for others. Apart from `values`, as the web processes make them too: nothing here needs pydicom."""

import hmac


def keyed(secret: bytes, purpose: str, value: str) -> bytes:
    """32 bytes, the same for the same secret, purpose and value."""
    return hmac.digest(secret, f"{purpose}\0{value}".encode("utf-8", "surrogatepass"), "sha256")


def keyed_uid(secret: bytes, uid: str) -> str:
    """What stands for an instance's UID: `2.25.` and 128 keyed bits (PS3.5, B.2)."""
    return f"2.25.{int.from_bytes(keyed(secret, 'uid', uid)[:16], 'big')}"
