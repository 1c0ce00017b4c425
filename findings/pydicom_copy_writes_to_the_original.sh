#!/usr/bin/env bash
# What is assigned to a copy of a pydicom Dataset is assigned to the original as well.
#
# A Dataset behaves like a dict, and after `other = d.copy()` or `other.update(d)` assigning to the
# new dict leaves the old one alone. Here `ds.copy()`, `copy.copy(ds)` and `Dataset(ds)` share the
# very table of elements, so even new and deleted elements show up in the original; `update()`,
# `add()` and slices share the DataElement objects, and attribute assignment changes those in place.
# Hit: whoever takes one header to many files in a loop (splits frames, de-identifies a copy and
# keeps the original, converts colours): the second round starts from what the first one left. We
# got frames 2..n with wrong colours, because frame 1 had become RGB and the header said so from
# then on.
# Instead: `copy.deepcopy(ds)`, or `copy.copy(element)` for each element taken over.
# Upstream: pydicom pull request 1151 and issue 1146 ask for a shallow copy; `Dataset.copy` is
# documented as one. That additions are shared too was found in no thread.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2
} || exit 2
cd "$room"

cat > try.py <<'PY'
import copy
import sys

import pydicom
from pydicom.dataset import Dataset


def updated(source):
    target = Dataset()
    target.update(source)
    return target


WAYS = {"ds.copy()": Dataset.copy, "copy.copy(ds)": copy.copy, "Dataset(ds)": Dataset, "update(ds)": updated}


def effects(way):
    original = Dataset()
    original.PhotometricInterpretation = "YBR_FULL"
    second = way(original)
    second.PhotometricInterpretation = "RGB"
    second.PatientComments = "only in the copy"
    return original.PhotometricInterpretation == "RGB", "PatientComments" in original


plain = {"PhotometricInterpretation": "YBR_FULL"}
other = plain.copy()
other["PhotometricInterpretation"] = "RGB"
assert plain == {"PhotometricInterpretation": "YBR_FULL"}

seen = {name: effects(way) for name, way in WAYS.items()}
print("pydicom", pydicom.__version__)
print("Expected: as with a dict, neither a new value nor a new element of the copy reaches the original.")
for name, (value, element) in seen.items():
    print(f"Seen:     {name:14} new value reaches it: {value}, new element reaches it: {element}")
if seen != {
    "ds.copy()": (True, True),
    "copy.copy(ds)": (True, True),
    "Dataset(ds)": (True, True),
    "update(ds)": (True, False),
}:
    sys.exit("CHANGED: some way of copying keeps the original as it was.")
PY
venv/bin/python try.py
