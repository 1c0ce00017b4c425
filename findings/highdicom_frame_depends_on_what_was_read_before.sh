#!/usr/bin/env bash
# highdicom 0.28 gives two answers to `image.get_frame(1)`: one before, one after somebody has looked
# at `image.pixel_array`.
#
# Where Bits Stored is less than Bits Allocated, a reader may assume nothing about the bits above
# (PS3.5 8.1.1): they hold an old overlay, or zeros beside a negative number. pydicom leaves them out
# when it is told how many bits are stored. highdicom tells it Bits *Allocated* in that place, so
# -1 of 12 bits is read as 4095, and a Rescale Intercept is added to that. But once `pixel_array`
# was used, anywhere, frames are cut out of that array, and the same call gives the right values.
# Hit: native CT, MR and PET with signed pixels of 12 bits that are not sign-extended, and files with
# overlays in the pixels. Both pictures look like pictures.
# Instead: touch `image.pixel_array` first, or read stored values with pydicom.
# Upstream: pydicom pull request 2066 (2024) brought the correction there; nothing found about
# highdicom.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check highdicom==0.28.2 pydicom==3.0.2 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys
import warnings

import highdicom
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

warnings.simplefilter("error")


def file(name, representation, words):
    """A picture of one row whose values are in the lower 12 bits of each word."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = "2.25.1", "2.25.2", "2.25.3"
    image.Modality = "OT"
    image.Rows, image.Columns, image.SamplesPerPixel = 1, len(words), 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = representation
    image.RescaleIntercept, image.RescaleSlope = -1000, 1
    image.add_new("PixelData", "OW", np.array(words, "<u2").tobytes())
    image.save_as(name, enforce_file_format=True)
    return name


def shown(values):
    return [int(value) for value in np.ravel(values)]


print(*(f"{module.__name__} {module.__version__}" for module in (highdicom, pydicom, np)))
CASES = {
    "signed, zeros above": (file("signed.dcm", 1, [0x0FFF, 0x0800, 0x0005]), [-1, -2048, 5]),
    "unsigned, an overlay above": (file("overlay.dcm", 0, [0x8FFF, 0x0800, 0x1005]), [4095, 2048, 5]),
}
as_known = True
for case, (name, right) in CASES.items():
    image = highdicom.imread(name)
    stored, rescaled = shown(image.get_stored_frame(1)), shown(image.get_frame(1))
    whole = shown(image.pixel_array)
    again, rescaled_again = shown(image.get_stored_frame(1)), shown(image.get_frame(1))
    print(f"{case}: expected {right} stored, {[value - 1000 for value in right]} rescaled, each time")
    print(f"Seen:     {stored} and {rescaled}")
    print(f"Seen:     {again} and {rescaled_again} after pixel_array, which is {whole}")
    words = shown(np.frombuffer(pydicom.dcmread(name).PixelData, "<i2" if min(right) < 0 else "<u2"))
    as_known &= stored == words != right and rescaled == [value - 1000 for value in words]
    as_known &= whole == again == right and rescaled_again == [value - 1000 for value in right]
if not as_known:
    sys.exit("CHANGED: the frames no longer hold the unused bits, or do so at other times.")
PY
venv/bin/python try.py
