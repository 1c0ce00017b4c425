#!/usr/bin/env bash
# SQLite 3.40 (Debian 12's) cannot copy a sound database by VACUUM INTO through a read-only
# connection when a table has both a CHECK constraint and a generated column.
#
# "table vacuum_db.t has 2 columns but 3 values were supplied" is the answer, though VACUUM INTO
# writes nothing into its source and is the usual way to take a copy of a live file. Opened for
# writing, the same connection copies the same file whole; without the CHECK, or without the
# generated column, so does the read-only one. SQLite 3.54 copies all of them. Django makes such
# tables: a positive integer brings a CHECK, a GeneratedField the other half, so a backup that was
# careful to open mode=ro begins to fail on the day of a migration.
# Instead: open the source with mode=rw (nothing is written through it), or use the backup API.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
for version in 3.40.1.0 3.54.1.0; do
  {
    python3 -m venv "$room/$version"
    "$room/$version/bin/pip" install --quiet --disable-pip-version-check "apsw==$version"
  } || exit 2
done
cd "$room"

cat > copies.py <<'PY'
import os

import apsw

CHECK = "a INTEGER CHECK (a > 0)"
GENERATED = "g INTEGER GENERATED ALWAYS AS (a + 1) STORED"
TABLES = {
    "both": f"CREATE TABLE t ({CHECK}, {GENERATED}, b INTEGER)",
    "check alone": f"CREATE TABLE t ({CHECK}, g INTEGER, b INTEGER)",
    "generated alone": f"CREATE TABLE t (a INTEGER, {GENERATED}, b INTEGER)",
}
WAYS = {"read-only": apsw.SQLITE_OPEN_READONLY, "read-write": apsw.SQLITE_OPEN_READWRITE}


def copied(table, flags):
    for name in ("source.db", "copy.db"):
        if os.path.exists(name):
            os.remove(name)
    made = apsw.Connection("source.db")
    made.cursor().execute(table)
    made.cursor().execute("INSERT INTO t (a, b) VALUES (1, 2)")
    made.close()
    source = apsw.Connection("source.db", flags=flags)
    try:
        source.cursor().execute("VACUUM INTO 'copy.db'")
    except apsw.SQLError as error:
        return f"refused ({error})"
    rows = list(apsw.Connection("copy.db").cursor().execute("SELECT a, g FROM t"))
    return "whole" if len(rows) == 1 else f"other rows: {rows}"


print("SQLite", apsw.sqlitelibversion())
for name, table in TABLES.items():
    print(f"{name}:", ", ".join(f"{way} {copied(table, flags)}" for way, flags in WAYS.items()))
PY
old=$("$room/3.40.1.0/bin/python" copies.py)
new=$("$room/3.54.1.0/bin/python" copies.py)
printf '%s\n\n%s\n' "$old" "$new"

echo "Expected: a copy by VACUUM INTO is whole, however the source is opened."
if ! grep -q '^both: read-only refused (.*has 2 columns but 3 values were supplied), read-write whole$' <<<"$old" ||
  [ "$(grep -c 'alone: read-only whole, read-write whole$' <<<"$old")" != 2 ]; then
  echo "CHANGED: SQLite 3.40 copies something else."
  exit 1
fi
if [ "$(grep -c ': read-only whole, read-write whole$' <<<"$new")" != 3 ]; then
  echo "CHANGED: SQLite 3.54 does not copy all of them."
  exit 1
fi
echo "Seen:     SQLite 3.40 refuses it where a table has a check and a generated column."
