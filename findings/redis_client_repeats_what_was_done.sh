#!/usr/bin/env bash
# redis-py 8 sends a command a second time when the server is late, so that one `incr()` counts two,
# one job stands twice in a list, and `Lock.acquire()` says no to the one who got the lock.
#
# Since 8.0 a client made by `redis.Redis()` waits five seconds for an answer and then tries again
# up to ten times; 7.4 waited as long as it took. A server that stands still for longer (a slow
# script, a full disk, a paused machine) still finds the first command in its socket and carries it
# out, as well as the second. No error is raised: the caller gets the answer to the repetition. A
# pop loses what the first one took, and a lock stays taken, by nobody, until it expires.
# Hit: counters, queues and locks of whoever upgrades; every setting was left as it was.
# Instead: `retry=Retry(NoBackoff(), 0)` for what may not be done twice, and treat a time-out as
# "perhaps"; or make commands that can be repeated (SET with a value, SADD, a key of one's own).
# Upstream: redis/redis-py issues 261 (2012) and 977 (2018), both closed, tell of repetitions when
# a connection breaks; nothing was found about the time-out that came with 8.0.
# Needs: redis-server 7.0, Debian 12's.
set -euo pipefail

redis-server --version 2> /dev/null | grep -q ' v=7\.0\.' || {
  echo "redis-server 7.0 is missing: apt-get install redis-server on Debian 12"
  exit 2
}
room=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then
    kill -CONT "$server" 2> /dev/null || true
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
  fi
}
trap 'stop; rm -rf "$room"' EXIT
for version in 7.4.1 8.1.0; do
  {
    python3 -m venv "$room/$version"
    "$room/$version/bin/pip" install --quiet --disable-pip-version-check "redis==$version"
  } || exit 2
done
cd "$room"
redis-server --port 0 --unixsocket "$room/socket" --save "" --dir "$room" > server.txt 2>&1 &
server=$!

cat > try.py <<'PY'
import os
import signal
import sys
import threading
import time

import redis

STALL_S = 7
server = int(sys.argv[1])


def client():
    return redis.Redis(unix_socket_path="socket", decode_responses=True)


seen = client()
for _ in range(100):
    try:
        seen.flushall()
        break
    except redis.ConnectionError:
        time.sleep(0.1)
seen.rpush("numbers", 1, 2, 3)

CALLS = {
    "incr": lambda own: own.incr("counter"),
    "rpush": lambda own: own.rpush("jobs", "job"),
    "lpop": lambda own: own.lpop("numbers"),
    "lock": lambda own: own.lock("lock", timeout=600).acquire(blocking=False),
}
clients = {name: client() for name in CALLS}
for own in clients.values():
    own.ping()
answers = {}
threads = [
    threading.Thread(target=lambda name=name: answers.update({name: CALLS[name](clients[name])})) for name in CALLS
]
os.kill(server, signal.SIGSTOP)
for thread in threads:
    thread.start()
time.sleep(STALL_S)
os.kill(server, signal.SIGCONT)
for thread in threads:
    thread.join()

print("incr answers", answers["incr"])
print("jobs in the list:", len(seen.lrange("jobs", 0, -1)))
print("lpop answers", answers["lpop"], "and leaves", *seen.lrange("numbers", 0, -1))
print("lock acquired:", answers["lock"], "- taken:", bool(seen.exists("lock")))
PY
old=$(7.4.1/bin/python try.py "$server")
new=$(8.1.0/bin/python try.py "$server")
redis-server --version
echo "Expected: one call does one thing while the server stands still for 7 seconds, or raises."
printf 'Seen with redis-py 7.4.1:\n%s\n' "$old"
printf 'Seen with redis-py 8.1.0:\n%s\n' "$new"
once='incr answers 1
jobs in the list: 1
lpop answers 1 and leaves 2 3
lock acquired: True - taken: True'
twice='incr answers 2
jobs in the list: 2
lpop answers 2 and leaves 3
lock acquired: False - taken: True'
if [ "$old" != "$once" ] || [ "$new" != "$twice" ]; then
  echo "CHANGED"
  exit 1
fi
