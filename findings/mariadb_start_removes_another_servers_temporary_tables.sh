#!/usr/bin/env bash
# MariaDB 10.11: a server that starts removes the temporary tables of every other server that uses the
# same folder for them. The other's query, which was well on its way, fails with "No such file or
# directory" at its end.
#
# A start clears its tmpdir of what a crash may have left, by the name alone: `#sql…`. Nothing tells
# whose a file is, and none is locked. The default is /tmp, for all servers alike: two servers that have
# ports, sockets and data of their own still share it.
# Hit: a second server for a test, a second instance beside production, a container with the host's
# /tmp: a report or an INSERT … SELECT of half an hour is lost when the other one starts.
# Instead: a --tmpdir of its own for each server.
# Upstream: the manual lists tmpdir among what "may" differ between instances; nothing found on this.
# Needs: mariadb-server 10.11, Debian 12's.
set -euo pipefail

PATH=$PATH:/usr/sbin
mariadbd --version 2> /dev/null | grep -q ' 10\.11\.' || {
  echo "mariadbd 10.11 is missing: apt-get install mariadb-server on Debian 12"
  exit 2
}
room=$(mktemp -d)
servers=()
stop() {
  for server in "${servers[@]}"; do
    kill "$server" 2> /dev/null || true
    wait "$server" || true
  done
}
trap 'stop; rm -rf "$room"' EXIT
cd "$room"

ask() { # a server by name, and a statement
  mariadb --no-defaults --socket="$room/$1.socket" --user=root --batch --skip-column-names -e "$2"
}

start() { # a server by name, and its folder for temporary tables
  mkdir -p "$room/$2"
  mariadb-install-db --no-defaults --datadir="$room/$1" --user="$(id -un)" --skip-test-db \
    --auth-root-authentication-method=normal > install.txt 2>&1 || exit 2
  mariadbd --no-defaults --datadir="$room/$1" --tmpdir="$room/$2" --user="$(id -un)" --skip-networking \
    --socket="$room/$1.socket" --pid-file="$room/$1.pid" > "$1.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 300); do
    ask "$1" "SELECT 1" > /dev/null 2>&1 && return
    sleep 0.2
  done
  exit 2
}

# Counts the distinct numbers of a table, which lie in a temporary table meanwhile, and takes its time.
QUERY="USE hospital; SET tmp_memory_table_size = 0;
  SELECT COUNT(*), SUM(IF(seq = 1, SLEEP(20), 0)) FROM (SELECT DISTINCT seq FROM seq_1_to_3000) numbers"
during() { # what the first server says to the query, while another one starts with this folder
  ask first "$QUERY" > answer.txt 2>&1 &
  local query=$!
  for _ in $(seq 100); do
    compgen -G "$room/shared/#sql*" > /dev/null && break
    sleep 0.1
  done
  start "$1" "$2"
  wait "$query" || true
  # Without the folder's name, and the numbers in the file's.
  sed -E "s#'.*/\#sql[^.]*#'TMPDIR/\#sql…#" answer.txt | tr '\t' ' '
}

start first shared
ask first "CREATE DATABASE hospital"
apart=$(during second apart)
together=$(during third shared)
cat > seen.txt <<SEEN
the other server has a tmpdir of its own: $apart
the other server has the same tmpdir:     $together
SEEN
mariadbd --version
echo "Expected: both times the count that was asked for, 3000 0"
echo "Seen:"
cat seen.txt
grep -qF 'own: 3000 0' seen.txt && grep -qF "Error on delete of 'TMPDIR/#sql" seen.txt || {
  echo "CHANGED: a query outlives the start of another server that shares its tmpdir"
  exit 1
}
