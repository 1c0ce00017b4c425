#!/usr/bin/env bash
# `dbrestore` of django-dbbackup onto a SQLite file that is in use exits 0 and restores nothing.
#
# The connector with the safe-sounding name, SqliteBackupConnector, takes its dump with SQLite's
# online backup, but restores by writing the dump over the database file. In WAL mode (the usual
# setting for a web site) the newest pages are in the "-wal" file beside it, and those replace what
# was just written as soon as anybody reads. As long as one process has the database open, the site
# goes on with the data that the restore should have undone. Exit code and output say success.
# Instead: stop every process and delete "-wal" and "-shm" first, or restore through
# `sqlite3.Connection.backup()` into the live file, which takes the journal into account.
# Upstream: no thread of django-dbbackup found; rotki pull request 13125 (2026) tells of the same
# effect in another program.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check Django==5.2.19 django-dbbackup==5.4.0
} || exit 2
cd "$room"
mkdir dumps

cat > settings.py <<'PY'
SECRET_KEY = "only for this script"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "dbbackup"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "site.sqlite3",
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL;"},
    }
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "dbbackup": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": "dumps"}},
}
DBBACKUP_CONNECTORS = {"default": {"CONNECTOR": "dbbackup.db.sqlite.SqliteBackupConnector"}}
PY
cat > try.py <<'PY'
import sqlite3
import subprocess
import sys
from importlib.metadata import version


def manage(*arguments):
    subprocess.run([sys.executable, "-m", "django", *arguments], check=True, capture_output=True)


def add_users(first, last):
    names = [f"user-{number}" for number in range(first, last)]
    manage(
        "shell",
        "-c",
        f"from django.contrib.auth.models import User\nfor name in {names}: User.objects.create(username=name)",
    )


def users(connection):
    return connection.execute("SELECT count(*) FROM auth_user").fetchone()[0]


manage("migrate")
site = sqlite3.connect("site.sqlite3")  # the web process, which keeps its connection
users(site)
add_users(0, 3)
manage("dbbackup")
add_users(3, 33)
before = users(site)
manage("dbrestore", "--noinput")  # raises unless it exits with 0
after, fresh = users(site), users(sqlite3.connect("site.sqlite3"))

print("django-dbbackup", version("django-dbbackup"), "Django", version("Django"), "SQLite", sqlite3.sqlite_version)
print("Expected: 3 users as in the dump after a restore that exits 0, or an error.")
print(f"Seen:     exit 0; {before} users before, {after} after for the running site, {fresh} for a new connection.")
if not before == after == fresh == 33:
    sys.exit("CHANGED: the restore is seen.")
PY
DJANGO_SETTINGS_MODULE=settings PYTHONPATH="$room" venv/bin/python try.py
