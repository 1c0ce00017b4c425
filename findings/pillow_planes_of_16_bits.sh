#!/usr/bin/env bash
# Pillow 13 takes an uncompressed TIFF of 16-bit colours, stored plane by plane, for one of 8 bits a
# value, without a word: low and high bytes stand side by side, and half of the file is not read.
#
# PlanarConfiguration 2 (one plane a colour) is as valid as 1; with 8 bits a value Pillow reads both.
# With 16 it promises no more than the high bytes, and gives them for PlanarConfiguration 1 and for
# compressed planes. For uncompressed planes its own decoder counts one byte a value: each row shows
# half a row of the picture, stretched by its low bytes, and the lower half of the picture is lost.
# Size and mode are right, and noise in the low bytes looks like noise.
# Hit: microscopes and scanners that write planes; tests with 8 bits, PlanarConfiguration 1 or LZW
# pass.
# Instead: let tifffile or libvips read what has more than 8 bits in tag 258 and 2 in tag 284.
# Upstream: no thread found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3
} || exit 2
cd "$room"

cat > try.py <<'PY'
import itertools
import sys
import warnings
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image

warnings.simplefilter("error")
# High bytes tell the row and the colour, low bytes the column.
PICTURE = np.empty((4, 6, 3), "uint16")
PICTURE[:] = np.arange(0x10, 0x14)[:, None, None] * 0x100 + np.arange(6)[None, :, None] + [0, 0x4000, 0x8000]
PLANES = np.moveaxis(PICTURE, -1, 0)
HIGH = (PICTURE >> 8).astype("uint8")
HALF = np.moveaxis(PLANES.astype("<u2", order="C").view("uint8").reshape(3, 8, 6)[:, :4], 0, -1)


def row(pixels):
    return " ".join("".join(f"{value:0{2 * pixels.itemsize}x}" for value in pixel) for pixel in pixels[1])


print(f"Pillow {version('pillow')}, tifffile {version('tifffile')}, NumPy {np.__version__}; the second row")
print(f"Expected: {row(HIGH)} for {row(PICTURE)}, or an error")
as_known = True
for planes, compressed in itertools.product((False, True), repeat=2):
    tifffile.imwrite(
        "picture.tif",
        PLANES if planes else PICTURE,
        photometric="rgb",
        planarconfig="separate" if planes else "contig",
        compression="zlib" if compressed else None,
        byteorder="<",
        metadata=None,
    )
    with Image.open("picture.tif") as image:
        mode, pixels = image.mode, np.asarray(image)
    how = f"{'planes' if planes else 'pixels'}, {'deflate' if compressed else 'uncompressed'}"
    print(f"Seen:     {how}: {row(pixels)}, mode {mode}")
    as_known &= np.array_equal(tifffile.imread("picture.tif"), PLANES if planes else PICTURE) and mode == "RGB"
    as_known &= np.array_equal(pixels, HALF if planes and not compressed else HIGH)
if not as_known:
    sys.exit("CHANGED: planes of 16 bits are read in another way.")
PY
venv/bin/python try.py
