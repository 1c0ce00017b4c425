#!/usr/bin/env bash
# pydicom cannot apply a VOI LUT of 8 bits per entry: an error for the packed form, a wrong picture
# for the padded one.
#
# In image objects a VOI LUT has 8 or 16 bits per entry (PS3.3 C.11.2.1.1). With 8, two entries
# share a word; since correction CP-522 (2005) that is the only valid form, but files with one entry
# a word exist, and are told by the length. `apply_voi` (and so `apply_voi_lut`) unpacks one entry a
# word in any case, and keeps the *indices* into the table in the type of the *entries*: in uint8
# the index of a 12-bit pixel wraps at 256. The packed form ends in struct.error; the padded one
# becomes a picture in which only the lowest sixteenth of the table is used, without a warning.
# Hit: CR, DX and mammography from devices that send their display curve as an 8-bit table.
# Instead: look the table up yourself (`np.frombuffer(data, "uint8")` when its length is that of the
# entries), with an index as wide as the pixels.
# Upstream: no thread found (pydicom issue 2317 is about bit depths of the Modality LUT).
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import struct
import sys
import warnings

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi

warnings.simplefilter("error")
ENTRIES = 4096
TABLE = [index >> 4 for index in range(ENTRIES)]  # 12 bits in, 8 bits out, straight
PIXELS = np.array([[0, 255, 256, 1000, 4095]], dtype="uint16")


def applied(bits, data):
    item = Dataset()
    item.LUTDescriptor = [ENTRIES, 0, bits]
    item.add_new("LUTData", "OW", data)
    image = Dataset()
    image.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding="iso8859")
    image.VOILUTSequence = [item]
    try:
        return apply_voi(PIXELS, image)[0].tolist()
    except struct.error as error:
        return f"struct.error: {error}"


words = struct.pack(f"<{ENTRIES}H", *TABLE)
right, packed, padded = applied(16, words), applied(8, bytes(TABLE)), applied(8, words)
print("pydicom", pydicom.__version__, "NumPy", np.__version__)
print(f"Expected: {right} for {PIXELS[0].tolist()}, as with the same table at 16 bits per entry.")
print(f"Seen:     8 bits, packed: {packed}")
print(f"Seen:     8 bits, padded: {padded}; no warning")
if right != [0, 15, 16, 62, 255] or not isinstance(packed, str) or padded == right:
    sys.exit("CHANGED: a table of 8 bits is applied.")
PY
venv/bin/python try.py
