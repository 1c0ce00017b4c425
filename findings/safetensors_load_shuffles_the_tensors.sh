#!/usr/bin/env bash
# safetensors 0.8: `load(bytes)` returns the tensors of one file in another order in each process;
# `load_file` and `safe_open` keep to one.
#
# The names pass through a hash table with a seed of its own, so the dict that `load` makes is
# shuffled anew, and PYTHONHASHSEED does not fix it. Whoever reads weights from memory (a database,
# S3, a decrypted file) has to use `load`. What then goes over the dict in its order is not repeated
# by the next process: a checksum over all tensors, a `zip` with a list, noise drawn in turn. With a
# file on disk and `load_file` the same program is stable, so a test on files shows nothing.
# Instead: `dict(sorted(load(data).items()))`, or go by the names that one wrote oneself.
# Upstream: safetensors issue 357 (2023) asked for the order and was closed as stale.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
} || exit 2
cd "$room"

cat > write.py <<'PY'
import numpy as np
from safetensors.numpy import save_file

save_file({f"layer{number}": np.full(4, number, "float32") for number in range(12)}, "weights.safetensors")
PY
cat > read.py <<'PY'
import hashlib
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import load, load_file


def shown(name, tensors):
    digest = hashlib.sha256(b"".join(value.tobytes() for value in tensors.values())).hexdigest()[:8]
    print(name, *(key.removeprefix("layer") for key in tensors), digest)


shown("load", load(Path("weights.safetensors").read_bytes()))
shown("load_file", load_file("weights.safetensors"))
with safe_open("weights.safetensors", "numpy") as file:
    shown("safe_open", {key: file.get_tensor(key) for key in file.keys()})
PY
venv/bin/python write.py
for _ in 1 2 3 4; do PYTHONHASHSEED=0 venv/bin/python read.py; done > seen.txt

venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -E '^(safetensors|numpy) '
echo "Expected: three ways to read one file, four times each, give one order and one checksum."
echo "Seen:"
sort -u seen.txt
if [ "$(grep '^load ' seen.txt | sort -u | wc -l)" -lt 3 ] ||
  [ "$(grep '^load_file ' seen.txt | sort -u | wc -l)" != 1 ] ||
  [ "$(grep '^safe_open ' seen.txt | sort -u | wc -l)" != 1 ]; then
  echo "CHANGED"
  exit 1
fi
