#!/usr/bin/env bash
# With Celery 5.7, the environment variable CELERY_BROKER_URL outranks the broker that the code
# names, however late and however plainly, and nothing is said.
#
# `Celery(broker=…)`, `app.conf.update(broker_url=…)` and an assignment to `app.conf.broker_url`
# all lose: messages go to the address in the environment, and even `app.conf.broker_url` gives
# it back right after something else was assigned. Two sites started from one shell, or a test
# that names a broker of its own, send to the other's queue. `broker_write_url` does win, so that
# one application can then send to one broker and listen to another.
# Instead: remove the variable from the process before connecting, or set both `broker_read_url`
# and `broker_write_url`, which the environment does not touch.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 kombu==5.7.0
} || exit 2
cd "$room"

cat > brokers.py <<'PY'
from celery import Celery


def sends_to(app):
    return app.connection_for_write().hostname


named = Celery("named", broker="amqp://argument//", set_as_current=False)
print("Celery(broker=…):", sends_to(named))
named.conf.broker_url = "amqp://assigned//"
print("conf.broker_url = …:", named.connection_for_write().hostname)
updated = Celery("updated", set_as_current=False)
updated.conf.update(broker_url="amqp://updated//")
print("conf.update(…):", sends_to(updated))
apart = Celery("apart", set_as_current=False)
apart.conf.update(broker_write_url="amqp://write//")
print("broker_write_url:", sends_to(apart), "reads from", apart.connection_for_read().hostname)
PY
CELERY_BROKER_URL=amqp://environment// venv/bin/python brokers.py > seen.txt
venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -E '^(celery|kombu) '
echo "Expected: argument, assigned, updated, write reads from the same or none."
echo "Seen:"
cat seen.txt
cat > expected.txt <<'TXT'
Celery(broker=…): environment
conf.broker_url = …: environment
conf.update(…): environment
broker_write_url: write reads from environment
TXT
cmp -s seen.txt expected.txt || {
  echo "CHANGED"
  exit 1
}
