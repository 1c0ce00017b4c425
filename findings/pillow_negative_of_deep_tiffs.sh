#!/usr/bin/env bash
# Pillow shows an 8-bit "white is zero" TIFF right and its 16-bit twin as a negative.
#
# TIFF's PhotometricInterpretation 0 (WhiteIsZero) says that small values are bright, as digitised
# film has it. Pillow turns the values round while it loads 8 bits a pixel; for 16 bits it hands
# over the stored values as they are, in mode "I;16". Nothing but `tag_v2[262]` says so: bone is
# black, air is white. Code that was tried on 8-bit files passes.
# Hit: readers of scanned or exported radiographs, which are 16-bit where they are worth reading.
# Instead: after loading, if `im.tag_v2.get(262) == 0` and the mode is deeper than 8 bits, use
# `65535 - array`.
# Upstream: Pillow pull request 5655 handles writing such files with 1 and 8 bits; nothing was found
# about reading 16.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import io
import struct
import sys

import numpy as np
import PIL
from PIL import Image

LONG, SHORT = 4, 3
WHITE_IS_ZERO = 0


def tiff(values, bits):
    """A whole TIFF 6.0 file, one strip, uncompressed, little endian."""
    pixels = np.array([values], dtype=f"<u{bits // 8}").tobytes()
    tags = [
        (256, SHORT, len(values)),
        (257, SHORT, 1),
        (258, SHORT, bits),
        (259, SHORT, 1),
        (262, SHORT, WHITE_IS_ZERO),
        (273, LONG, 8 + 2 + 9 * 12 + 4),
        (277, SHORT, 1),
        (278, SHORT, 1),
        (279, LONG, len(pixels)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + pixels


def loaded(values, bits):
    with Image.open(io.BytesIO(tiff(values, bits))) as picture:
        return picture.mode, np.asarray(picture)[0].tolist()


seen8, seen16 = loaded([0, 60, 255], 8), loaded([0, 15420, 65535], 16)
print("Pillow", PIL.__version__, "NumPy", np.__version__)
print("Stored:   bright, dark grey, black in both files, by WhiteIsZero.")
print("Expected: [255, 195, 0] and [65535, 50115, 0].")
print(f"Seen:     {seen8[1]} in mode {seen8[0]} and {seen16[1]} in mode {seen16[0]}.")
if seen8[1] != [255, 195, 0] or seen16[1] != [0, 15420, 65535]:
    sys.exit("CHANGED: both depths are treated alike.")
PY
venv/bin/python try.py
