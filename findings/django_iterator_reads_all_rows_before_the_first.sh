#!/usr/bin/env bash
# `QuerySet.iterator()` of Django on PostgreSQL does not stream, unless a transaction is open: the
# server computes and stores all rows before it hands out the first.
#
# The iterator opens a server-side cursor, to keep the result out of memory. In autocommit, Django's
# usual mode, a cursor would end with its statement, so it is declared WITH HOLD; and PostgreSQL
# fills such a cursor to the end when that statement commits, into memory and then a temporary file.
# `next()`, a `break`, an `islice()` cost the whole query, and an export of a large table writes it to
# the server's disk first. The same line inside `atomic()` computes one chunk. Tests do not show it:
# TestCase opens a transaction.
# Instead: wrap the loop in `transaction.atomic()`, if it is short; or page by primary key.
# Upstream: Django pull request 7587 (2016), which brought the cursors, says that WITH HOLD "ties
# database resources"; PostgreSQL's page on DECLARE says that held rows are copied.
# Needs: postgresql-15, Debian 12's.
set -euo pipefail

programs=/usr/lib/postgresql/15/bin
"$programs/postgres" --version 2> /dev/null || {
  echo "PostgreSQL 15 is missing: apt-get install postgresql-15 on Debian 12"
  exit 2
}
room=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL does not start as root
  as=(runuser -u postgres --)
  chown postgres "$room"
fi
cd "$room"
trap '"${as[@]}" "$programs/pg_ctl" -D "$room/data" -m immediate stop > /dev/null 2>&1 || true; rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check Django==5.2.19 "psycopg[binary]==3.3.9"
  "${as[@]}" "$programs/initdb" -D "$room/data" -A trust -U tester --no-sync > "$room/initdb.txt" 2>&1
  "${as[@]}" "$programs/pg_ctl" -D "$room/data" -w -t 120 -l "$room/data/log.txt" \
    -o "-c listen_addresses= -c fsync=off -k $room" start > /dev/null
} || exit 2

cat > try.py <<'PY'
import os
import sys
from contextlib import nullcontext

import django
import psycopg
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "tester",
            "HOST": os.getcwd(),
        }
    },
)
django.setup()

from django.db import connection, models, transaction

ROWS, CHUNK = 50_000, 100


class Scan(models.Model):
    notes = models.TextField()

    class Meta:
        app_label = "scans"


def fetch(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def first_row(inside):
    """How many rows were computed, and how much was written to temporary files, for one row."""
    fetch("SELECT setval('computed', 1, false)")
    before = fetch("SELECT pg_stat_get_db_temp_bytes(oid) FROM pg_database WHERE datname = 'postgres'")
    with inside:
        rows = Scan.objects.annotate(place=models.Func(models.Value("computed"), function="nextval")).order_by("pk")
        iterator = rows.iterator(chunk_size=CHUNK)
        next(iterator)
        held = fetch("SELECT is_holdable FROM pg_cursors WHERE name LIKE '_django_curs_%'")
        computed = fetch("SELECT last_value FROM computed")
        iterator.close()
    fetch("SELECT pg_stat_force_next_flush() IS NULL")
    fetch("SELECT pg_stat_clear_snapshot() IS NULL")
    after = fetch("SELECT pg_stat_get_db_temp_bytes(oid) FROM pg_database WHERE datname = 'postgres'")
    return computed, held, after - before


with connection.schema_editor() as editor:
    editor.create_model(Scan)
with connection.cursor() as cursor:
    cursor.execute("CREATE SEQUENCE computed")
    cursor.execute("INSERT INTO scans_scan (notes) SELECT repeat('x', 200) FROM generate_series(1, %s)", [ROWS])

autocommit, atomic = first_row(nullcontext()), first_row(transaction.atomic())
print("Django", django.__version__, "psycopg", psycopg.__version__)
print(f"Expected: the first row of iterator(chunk_size={CHUNK}) costs one chunk of {ROWS} rows.")
for name, (computed, held, written) in {"in autocommit": autocommit, "inside atomic()": atomic}.items():
    print(f"Seen:     {name}: {computed} rows computed, {written} bytes in temporary files, cursor held: {held}")
if autocommit[:2] != (ROWS, True) or autocommit[2] < ROWS * 200 or atomic != (CHUNK, False, 0):
    sys.exit("CHANGED: the iterator computes another number of rows.")
PY
venv/bin/python try.py
