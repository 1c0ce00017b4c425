"""DICOM files: where they lie in an answer, and the little that the bridge reads of them."""

import email
import re

from mediscan_bridge.asking import Answer, unpacked


def files_in(answer: Answer) -> list[bytes]:
    """The files of an answer that has one (`application/dicom`) or several (`multipart/related`, RFC 2046 5.1)."""
    boundary = answer.headers.get_boundary()
    if answer.headers.get_content_maintype() != "multipart" or not boundary:
        return [answer.body] if answer.body else []
    line = rb"(?:\A|\r?\n)--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(--)?[ \t]*(?:\r?\n|\Z)"
    pieces = re.split(line, answer.body)
    # What stands before the first line and after the closing one belongs to nobody.
    ends = [number for number, piece in enumerate(pieces) if number % 2 and piece == b"--"]
    parts = pieces[2 : ends[0] if ends else None : 2]
    return [file for file in map(part_body, parts) if file]


def part_body(part: bytes) -> bytes:
    """What follows the headers of a part. It may have none; then it begins with the empty line that ends them."""
    ends = re.match(rb"\r?\n", part) or re.search(rb"\r?\n\r?\n", part)
    if ends is None:
        return b""
    headers, body = email.message_from_bytes(part[: ends.start()]), part[ends.end() :]
    if headers.get("Content-Transfer-Encoding", "binary").strip().lower() in ("base64", "quoted-printable"):
        body = bytes(email.message_from_bytes(part).get_payload(decode=True))
    return unpacked(headers, body)


def sop_instance_uid(data: bytes) -> str:
    """MediaStorageSOPInstanceUID (0002,0003) of a file (PS3.10 7.1); empty where it is none."""
    at = data.find(b"\x02\x00\x03\x00UI", 132, 2048) if data[128:132] == b"DICM" else -1
    size = int.from_bytes(data[at + 6 : at + 8], "little")
    return data[at + 8 : at + 8 + size].decode("ascii", "replace").strip("\0 ") if at > 0 else ""


def frames(data: bytes) -> int:
    """NumberOfFrames (0028,0008), in whichever of the three encodings it is written."""
    found = re.search(rb"(?:\x28\x00\x08\x00(?:IS..|..\x00\x00)|\x00\x28\x00\x08IS..) *(\d{1,9})", data, re.DOTALL)
    return int(found[1]) if found else 1
