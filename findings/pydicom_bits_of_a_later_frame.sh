#!/usr/bin/env bash
# pydicom cannot read a later frame of 1-bit pixels by its index, although it reads all at once.
#
# Frames of 1 bit follow each other without a gap (PS3.5 section 8.1.1): with 15 pixels a frame the
# second one starts at bit 15, within a byte. `pixel_array(ds, index=1)` raises "cannot reshape array
# of size 9"; `ds.pixel_array` is right about the same file.
# Hit: whoever reads segmentations frame by frame to save memory.
# Instead: unpack the bits yourself: `np.unpackbits(..., bitorder="little")[index * pixels:][:pixels]`.
# Upstream: nothing was found about later frames.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import io
import sys

import numpy as np
import pydicom
from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import pixel_array

frames = (np.arange(45).reshape(3, 3, 5) % 2).astype(np.uint8)
made = Dataset()
made.file_meta = FileMetaDataset()
made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
made.SOPClassUID, made.SOPInstanceUID = uid.SegmentationStorage, "2.25.1"
made.Rows, made.Columns, made.NumberOfFrames = 3, 5, 3
made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 1, 1, 0, 0
made.add(DataElement("PixelData", "OB", np.packbits(frames.ravel(), bitorder="little").tobytes()))
file = io.BytesIO()
made.save_as(file, enforce_file_format=True)
dataset = dcmread(io.BytesIO(file.getvalue()))


def by_index(index):
    try:
        return "right" if np.array_equal(pixel_array(dataset, index=index), frames[index]) else "wrong"
    except ValueError as error:
        return f"ValueError: {error}"


whole = np.array_equal(dataset.pixel_array, frames)
seen = [by_index(index) for index in range(3)]
print("pydicom", pydicom.__version__, "NumPy", np.__version__)
print("Expected: three frames of 3 by 5 bits, all at once and one by one.")
print("Seen:     all at once:", "right" if whole else "wrong")
for index, said in enumerate(seen):
    print(f"          frame {index + 1} by its index: {said}")
if not whole or seen[0] != "right" or not all(said.startswith("ValueError") for said in seen[1:]):
    sys.exit("CHANGED: later frames are read.")
PY
venv/bin/python try.py
