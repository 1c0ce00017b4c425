#!/usr/bin/env bash
# With pytest 9.2, `monkeypatch.setattr` on a proxy, such as Django's `connection`, does not put the
# attribute back: it deletes it from the object behind the proxy.
#
# `setattr` and `delattr` on `django.db.connection` reach the real connection of the thread. pytest
# 9.2 looks for the old value in the `__dict__` of its target alone; the proxy's is empty, so pytest
# believes that there was none in the instance, and its undo deletes the new one. With pytest 9.0 the
# old value came back. The test that patched passes; whatever uses the connection after it, in the
# same process, fails with "no attribute": other tests, in an order that depends on the runner.
# Instead: patch the name of the proxy in the module that uses it, or the object behind it
# (`connections["default"]`).
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
for version in 9.0.2 9.2.0; do
  {
    python3 -m venv "$room/$version"
    "$room/$version/bin/pip" install --quiet --disable-pip-version-check "pytest==$version" django==5.2.19
  } || exit 2
done
cd "$room"

cat > test_patched.py <<'PY'
from django.conf import settings
from django.db import connection

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})


def test_that_patches(monkeypatch):
    monkeypatch.setattr(connection, "settings_dict", {"NAME": "patched"})
    assert connection.settings_dict["NAME"] == "patched"


def test_that_comes_after():
    found = getattr(connection, "settings_dict", {"NAME": "gone"})
    with open("seen.txt", "w") as file:
        file.write(found["NAME"])
PY
seen() {
  rm -f seen.txt
  "$1/bin/python" -m pytest --quiet -p no:cacheprovider test_patched.py > pytest.txt || { cat pytest.txt; exit 1; }
  cat seen.txt
}
before=$(seen 9.0.2)
now=$(seen 9.2.0)
"9.2.0/bin/pip" list --disable-pip-version-check 2> /dev/null | grep -iE '^(pytest|django) '
echo "Expected: after the first test the database is ':memory:' again."
echo "Seen:     with pytest 9.0.2 '$before', with pytest 9.2.0 '$now'."
if [ "$before" != ":memory:" ] || [ "$now" != "gone" ]; then
  echo "CHANGED"
  exit 1
fi
