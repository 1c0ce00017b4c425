#!/usr/bin/env bash
# Of several processes that use a new MLflow database at the same moment, one works and the others
# raise a database error such as "duplicate column name: step".
#
# MLflow creates and migrates the tables when a client first opens a database, which takes seconds.
# It has a function that does this under a file lock, but only the stores of jobs and workspaces
# call it; the tracking and registry stores, which everybody opens, look and create without the
# lock. MLflow's default is a SQLite file by now, so two workers on a fresh machine, a parallel test
# run or a job array are enough. The next start works, so it passes for a hiccup.
# Instead: run `mlflow db upgrade URI` once, under a lock of your own, before anything opens the
# store.
# Upstream: nothing in mlflow/mlflow found; daizutabi/hydraflow issue 245 (2025) has the same error.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    mlflow-skinny==3.17.2 SQLAlchemy==2.1.9 alembic==1.20.1
} || exit 2
cd "$room"

cat > try.py <<'PY'
import subprocess
import sys
from importlib.metadata import version

PROCESSES, ROUNDS = 3, 5
CLIENT = """
import sys
from mlflow import MlflowClient
print("ready", flush=True)
sys.stdin.readline()
MlflowClient(sys.argv[1], registry_uri=sys.argv[1]).search_experiments()
"""


def failures(uri):
    """What each failed client says, of several that are let go together."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    clients = [subprocess.Popen([sys.executable, "-c", CLIENT, uri], **options) for _ in range(PROCESSES)]
    for client in clients:
        client.stdout.readline()
    for client in clients:
        client.stdin.write("go\n")
        client.stdin.flush()
    texts = [client.communicate()[1] for client in clients]
    return [text for client, text in zip(clients, texts, strict=True) if client.returncode]


for attempt in range(ROUNDS):
    fresh = f"sqlite:///{attempt}.db"
    failed = failures(fresh)
    if failed:
        break
again = failures(fresh)

print(*(f"{name} {version(name)}" for name in ("mlflow-skinny", "SQLAlchemy", "alembic")), sep=", ")
print(f"Expected: {PROCESSES} processes that open a new store together all find it, as they do later.")
print(f"Seen:     {len(failed)} of {PROCESSES} failed on the new store, {len(again)} when they tried again.")
for text in failed:
    print("          " + next(line for line in text.splitlines() if line.startswith("sqlalchemy.exc.")))
if not failed:
    sys.exit(f"CHANGED: in {ROUNDS} new stores no process failed.")
PY
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python try.py
