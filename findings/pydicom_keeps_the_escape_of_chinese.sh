#!/usr/bin/env bash
# pydicom leaves the escape sequence of ISO 2022 IR 58 (simplified Chinese) in the decoded text.
#
# In texts with code extensions an escape sequence says which character set follows (PS3.3 section
# C.12.1.1.2); it is no part of the text. pydicom removes those of Japanese and Korean and keeps that
# of ISO 2022 IR 58 (ESC $ ) A) in front of the letters that it decodes right. So an institution or
# body part starts with an invisible character and "$)A", and equal texts compare as different.
# Hit: files of Chinese hospitals, wherever their texts are shown, grouped or searched.
# Instead: remove "\x1b$)A" from what pydicom returns.
# Upstream: nothing was found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2
} || exit 2
cd "$room"

cat > try.py <<'PY'
import io
import struct
import sys

import pydicom
from pydicom import dcmread

TEXTS = {
    "ISO 2022 IR 58": ("北京", b"\x1b$)A" + "北京".encode("gb2312")),
    "ISO 2022 IR 149": ("서울", b"\x1b$)C" + "서울".encode("euc_kr")),
    "ISO 2022 IR 87": ("東京", b"\x1b$B" + bytes(b & 0x7F for b in "東京".encode("euc_jp")) + b"\x1b(B"),
}


def element(group, number, kind, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def read(charset, text):
    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    body = element(8, 5, b"CS", b"\\" + charset.encode()) + element(8, 0x80, b"LO", text)
    return dcmread(io.BytesIO(bytes(128) + b"DICM" + meta + body), force=True).InstitutionName


print("pydicom", pydicom.__version__)
seen = {}
for charset, (expected, written) in TEXTS.items():
    seen[charset] = read(charset, written)
    print(f"{charset}: expected {expected!r}, seen {seen[charset]!r}")
kept = {charset: seen[charset] == expected for charset, (expected, _) in TEXTS.items()}
if seen["ISO 2022 IR 58"] != "\x1b$)A北京" or not kept["ISO 2022 IR 149"] or not kept["ISO 2022 IR 87"]:
    sys.exit("CHANGED: the three are treated alike.")
PY
venv/bin/python try.py
