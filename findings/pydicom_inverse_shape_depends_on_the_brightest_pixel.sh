#!/usr/bin/env bash
# pydicom inverts PresentationLUTShape INVERSE about the brightest pixel of the array at hand.
#
# INVERSE, which goes with MONOCHROME1 (digital radiographs and mammograms, for instance), means
# P-value = maximum - value, where the maximum is that of the output range: 4095 for 12 bits, or the
# top of the window (PS3.3 C.11.6.1, C.11.6.1.2). `apply_presentation_lut` computes `arr.max() -
# arr`. So the same stored value becomes another grey level in each image, in each frame of one
# series and in a crop; one bright marker shifts everything else. No error: the picture looks
# plausible, and only a comparison between two pictures shows it.
# Hit: models and measurements that compare images; training on crops, serving on whole images.
# Instead: invert by hand: `2**BitsStored - 1 - arr` without a window, its top after one.
# Upstream: added by pydicom pull request 2080 (3.0); no thread about the range was found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import apply_presentation_lut, apply_voi_lut

image = Dataset()
image.PhotometricInterpretation = "MONOCHROME1"
image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
image.WindowCenter, image.WindowWidth = 2048, 4096
image.PresentationLUTShape = "INVERSE"

tissue = 100  # the same stored value in two images of one device
without_marker = np.array([[tissue, 900, 2000]], dtype="uint16")
with_marker = np.array([[tissue, 900, 4095]], dtype="uint16")


def shown(array, windowed):
    values = apply_voi_lut(array, image) if windowed else array
    return int(apply_presentation_lut(values, image)[0, 0])


seen = {windowed: (shown(without_marker, windowed), shown(with_marker, windowed)) for windowed in (False, True)}
print("pydicom", pydicom.__version__, "NumPy", np.__version__)
print("Expected: stored value 100 of 12 bits is shown as 4095 - 100 = 3995 in both images.")
print(f"Seen:     without a window {seen[False]}, after the window 0..4095 {seen[True]}.")
if any(first == second for first, second in seen.values()):
    sys.exit("CHANGED: the result no longer depends on the brightest pixel.")
PY
venv/bin/python try.py
