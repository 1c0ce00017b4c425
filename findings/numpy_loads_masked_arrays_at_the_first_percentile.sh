#!/usr/bin/env bash
# With numpy 2.4, the first `np.percentile` or `np.unique` of a process reads files: `import numpy`
# no longer loads `numpy.ma`, and both ask for it.
#
# Whoever imports numpy, and then lets the process open nothing more (a decoder of foreign files, a
# worker at its limit of open files), finds arithmetic that fails with "Too many open files", for
# sound numbers, and only if nothing before it took a percentile. `np.median` and `np.sort` need
# nothing. In MediScan a sandboxed decoder called sound DICOM files damaged for it.
# Instead: take one percentile before the doors close (`images/decoding/warmup.py`).
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
} || exit 2
cd "$room"

cat > closed.py <<'PY'
import resource
import sys

import numpy as np

warm = "numpy.ma" in sys.modules
values = np.arange(100)
if sys.argv[1] == "warmed":
    np.percentile(values, 50)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
np.median(values)
try:
    found = float(np.percentile(values, 50))
except OSError as error:
    found = error.strerror
print(f"numpy.ma after import: {warm}; percentile: {found}")
PY
cold=$(venv/bin/python closed.py cold)
warmed=$(venv/bin/python closed.py warmed)
venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -i '^numpy '
echo "Expected: a percentile of 100 numbers, 49.5, needs no file."
echo "Seen:     no more files allowed after the import: $cold;"
echo "          after a percentile: $warmed."
if [ "$cold" != "numpy.ma after import: False; percentile: Too many open files" ] ||
  [ "$warmed" != "numpy.ma after import: False; percentile: 49.5" ]; then
  echo "CHANGED"
  exit 1
fi
