#!/usr/bin/env bash
# With pydicom 3.0.2, an `import pydicom` that was broken off once can never be done again in the
# same process, unless it was broken off very early or very late.
#
# A worker whose task has a time limit imports what it needs when it needs it; on a busy machine the
# limit may fall into the import. Python removes the module that was being loaded and lets a later
# import begin anew. Of pydicom, finished submodules stay in `sys.modules` while the package itself
# is new and has no attributes for them; modules that say `import pydicom.uid` and then use
# `pydicom.uid` at the level of the module find it loaded, but not there. From then on every import
# in that process fails with "partially initialized module 'pydicom' … (most likely due to a
# circular import)", which names no time limit and no circular import that exists.
# Here the import is broken off by one TimeoutError at each of the modules that it loads, in turn, a
# process for each; Pillow beside it is loaded by the next import wherever it was broken off.
# Instead: let a process in which an import was broken off end, and another one do the work.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 pillow==13.0.0
} || exit 2
cd "$room"

cat > broken_off.py <<'PY'
import importlib.abc
import sys

package, at = sys.argv[1:]


class Once(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == at:
            sys.meta_path.remove(self)
            raise TimeoutError("time is up")


sys.meta_path.insert(0, Once())
try:
    __import__(package)
except TimeoutError:
    pass
try:
    __import__(package)
    print("ok")
except AttributeError as error:
    print(f"{type(error).__name__}: {error}")
PY
cat > each.py <<'PY'
import collections
import subprocess
import sys

LIST = "import sys; import {0}; print(*(m for m in sys.modules if m.startswith('{1}.')))"


def said(*words):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


for package in ("PIL.Image", "pydicom"):
    modules = said("-c", LIST.format(package, package.partition(".")[0])).split()
    found = collections.Counter(said("broken_off.py", package, module) for module in modules)
    print(f"{package}, broken off at each of {len(modules)} modules; the next import:")
    for words, times in sorted(found.items()):
        print(f"  {times} x {words}")
PY
venv/bin/python each.py > seen.txt
venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -iE '^(pydicom|pillow) '
echo "Expected: ok, wherever it was broken off, as with Pillow."
echo "Seen:"
cat seen.txt
grep -q "^PIL.Image" seen.txt && ! sed -n '/^PIL/,/^pydicom/p' seen.txt | grep -q "Error" &&
  [ "$(sed -n '/^pydicom/,$p' seen.txt | awk '/AttributeError: partially/ { n += $1 } END { print n + 0 }')" -ge 30 ] || {
  echo "CHANGED"
  exit 1
}
