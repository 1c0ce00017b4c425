#!/usr/bin/env bash
# `dcmread(file, specific_tags=[...])` of pydicom reads a Pixel Padding Value of -2000 as 63536, and
# the same data set in Explicit VR as -2000; nothing is said.
#
# Elements such as Pixel Padding Value, Smallest Image Pixel Value, LUT Descriptor and Real World
# Value First Value Mapped are signed or not as Pixel Representation says (PS3.3 C.7.6.3). In
# Implicit VR only that element tells. `specific_tags` leaves it out unless it is on the list, and
# pydicom then takes 0 for it, as long as there is no Pixel Data either. The whole file, or the file
# up to its pixels, is read rightly; so is a file in Explicit VR. A dataset from which both elements
# were deleted reads so too, if an element was not looked at before.
# Hit: whoever walks over an archive for a few elements, quickly, and masks padding by them.
# Instead: name "PixelRepresentation" among the tags.
# Upstream: pydicom pull request 839 (2019) chose 0 so that a structure set without pixels can be
# read; no thread about specific_tags was found.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2
} || exit 2
cd "$room"

cat > try.py <<'PY'
import struct
import sys
import warnings

import pydicom
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

warnings.simplefilter("error")
config.settings.reading_validation_mode = config.RAISE
WANTED = ["PixelPaddingValue", "SmallestImagePixelValue", "VOILUTSequence"]
SIGNED, UNSIGNED = (-2000, -1000, [2, -1000, 16]), (63536, 64536, [2, 64536, 16])


def slice_of_ct(syntax):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.SOPClassUID, image.SOPInstanceUID, image.Modality = CTImageStorage, "2.25.1", "CT"
    image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = 1, 2, 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.PixelPaddingValue, image.SmallestImagePixelValue = -2000, -1000
    curve = Dataset()
    curve.LUTDescriptor = [2, -1000, 16]
    curve.add_new("LUTData", "OW", struct.pack("<2H", 0, 65535))
    image.VOILUTSequence = [curve]
    image.add_new("PixelData", "OW", struct.pack("<2h", -2000, -1000))
    image.save_as("slice.dcm", enforce_file_format=True)
    return "slice.dcm"


def values(image):
    return image.PixelPaddingValue, image.SmallestImagePixelValue, list(image.VOILUTSequence[0].LUTDescriptor)


print("pydicom", pydicom.__version__)
print(f"Expected: {SIGNED} each time, or an error")
as_known = True
for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
    name = slice_of_ct(syntax)
    stripped = dcmread(name)
    del stripped.PixelRepresentation, stripped.PixelData
    seen = {
        "whole": values(dcmread(name)),
        "stop_before_pixels": values(dcmread(name, stop_before_pixels=True)),
        "specific_tags with PixelRepresentation": values(
            dcmread(name, specific_tags=[*WANTED, "PixelRepresentation"])
        ),
        "specific_tags": values(dcmread(name, specific_tags=WANTED)),
        "both elements deleted": values(stripped),
    }
    for how, found in seen.items():
        print(f"Seen:     {syntax.name}, {how}: {found}")
        lost = syntax == ImplicitVRLittleEndian and how in ("specific_tags", "both elements deleted")
        as_known &= found == (UNSIGNED if lost else SIGNED)
if not as_known:
    sys.exit("CHANGED: the sign is lost elsewhere or nowhere.")
PY
venv/bin/python try.py
