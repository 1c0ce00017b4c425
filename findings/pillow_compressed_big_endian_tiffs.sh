#!/usr/bin/env bash
# Pillow reads compressed big-endian TIFFs of signed or floating values in the wrong byte order.
#
# The same picture, once with "MM" and uncompressed and once with "MM" and Deflate (TIFF 6.0 section
# 2 for the order, Supplement 2 for the compression): the first is right, the second has the bytes of
# each value swapped, without a warning. Pillow hands compressed strips to libtiff, which gives values
# in the order of the machine, and goes on unpacking them in the order of the file. Unsigned 16 bits
# are right; int16 and float32 are not.
# Hit: readers of CT values, dose maps and microscopy as ImageJ and Java tools write them (they are
# big-endian by default) on a little-endian machine.
# Instead: replace the raw mode in `im.tile` before loading ("F;32NF", "I;16NS"), or read with
# tifffile.
# Upstream: nothing was found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 \
    tifffile==2026.3.3
} || exit 2
cd "$room"

cat > try.py <<'PY'
import io
import struct
import sys
import zlib

import numpy as np
import PIL
import tifffile
from PIL import Image

LONG, SHORT = 4, 3
FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(values, *, deflated):
    """A whole big-endian TIFF 6.0 file of one row in one strip."""
    pixels = values.astype(values.dtype.newbyteorder(">")).tobytes()
    strip = zlib.compress(pixels) if deflated else pixels
    tags = [
        (256, LONG, len(values)),
        (257, LONG, 1),
        (258, SHORT, 8 * values.dtype.itemsize),
        (259, SHORT, 8 if deflated else 1),
        (262, SHORT, 1),
        (273, LONG, 8 + 2 + 10 * 12 + 4),
        (277, SHORT, 1),
        (278, LONG, 1),
        (279, LONG, len(strip)),
        (339, SHORT, FORMATS[values.dtype.kind]),
    ]
    entries = b"".join(
        struct.pack(">HHIHH" if kind == SHORT else ">HHII", tag, kind, 1, value, *([0] * (kind == SHORT)))
        for tag, kind, value in tags
    )
    return struct.pack(">2sHIH", b"MM", 42, 8, len(tags)) + entries + bytes(4) + strip


def loaded(values, *, deflated):
    with Image.open(io.BytesIO(tiff(values, deflated=deflated))) as picture:
        return np.asarray(picture)[0].tolist()


print("Pillow", PIL.__version__, "tifffile", tifffile.__version__, "NumPy", np.__version__)
results = {}
for kind, numbers in (("u2", [1, 300, 4000]), ("i2", [-1000, 0, 300]), ("f4", [-1000.0, 0.5, 300.0])):
    values = np.array(numbers, kind)
    if tifffile.imread(io.BytesIO(tiff(values, deflated=True))).ravel().tolist() != numbers:
        sys.exit("CHANGED: tifffile no longer reads the file.")
    plain, packed = (loaded(values, deflated=deflated) for deflated in (False, True))
    results[kind] = (plain == numbers, packed == numbers)
    print(f"{kind}: stored {numbers}; expected that, plain and deflated.")
    print(f"    Seen: plain {plain}, deflated {packed}")
if results != {"u2": (True, True), "i2": (True, False), "f4": (True, False)}:
    sys.exit(f"CHANGED: (plain, deflated) are right as follows: {results}")
PY
venv/bin/python try.py
