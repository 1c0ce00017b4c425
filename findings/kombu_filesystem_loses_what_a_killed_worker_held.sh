#!/usr/bin/env bash
# Celery over `filesystem://` loses the task of a worker that is killed, `acks_late` or not.
#
# `task_acks_late` with `task_reject_on_worker_lost` reads as "the message stays in the queue until
# the task is done". kombu's filesystem transport deletes the message file when it is *read*; until
# the acknowledgement the message exists only in the worker's memory. A clean shutdown puts it back;
# after SIGKILL, an out-of-memory kill or a power cut it is gone, and no later worker sees it.
# Hit: small installations that chose files because they need no server. `store_processed` only
# leaves a copy in another folder, which nobody reads again.
# Instead: keep each job as a database row with a heartbeat and let a periodic sweep send it again,
# or use a broker that holds unacknowledged messages itself.
# Upstream: nothing found; kombu's page on the transport says nothing of acknowledgements.
set -euo pipefail

room=$(mktemp -d)
worker=
stop() {
  if [ -n "$worker" ]; then
    kill -KILL -- "-$worker" 2> /dev/null || true
    wait "$worker" 2> /dev/null || true
  fi
}
trap 'stop; rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0
} || exit 2
cd "$room"
mkdir messages control

cat > app.py <<'PY'
import time
from pathlib import Path

from celery import Celery

app = Celery("app", broker="filesystem://")
app.conf.update(
    broker_transport_options={"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)


@app.task
def work(seconds):
    with Path("started.txt").open("a") as file:
        file.write("started\n")
    time.sleep(seconds)
    with Path("finished.txt").open("a") as file:
        file.write("finished\n")
PY

start_worker() { # in a process group of its own, so that its children die with it
  set -m
  venv/bin/celery -A app worker --concurrency 1 --loglevel ERROR --without-gossip --without-mingle > worker.txt 2>&1 &
  worker=$!
  set +m
}
lines() { if [ -f "$1" ]; then wc -l < "$1"; else echo 0; fi; }
wait_for() { # file, number of lines, seconds
  for _ in $(seq $(($3 * 5))); do
    [ "$(lines "$1")" -ge "$2" ] && return
    sleep 0.2
  done
  return 1
}

start_worker
venv/bin/python -c 'from app import work; work.delay(600)'
wait_for started.txt 1 120 || { echo "The first worker took no task."; cat worker.txt; exit 2; }
left=$(find messages -name '*.msg' | wc -l)
stop

# A second worker proves itself with a task of its own, which comes behind anything that was left.
start_worker
venv/bin/python -c 'from app import work; work.delay(0)'
wait_for finished.txt 1 120 || { echo "The second worker did no task."; cat worker.txt; exit 2; }
wait_for started.txt 3 10 || true

venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -E '^(celery|kombu) '
echo "Expected: a task with acks_late whose worker was killed is given to the next worker: 3 starts."
echo "Seen:     $(lines started.txt) starts; $left message files while the first task was at work."
if [ "$left" -ne 0 ] || [ "$(lines started.txt)" -ne 2 ]; then
  echo "CHANGED: the message outlived the worker that had read it."
  exit 1
fi
