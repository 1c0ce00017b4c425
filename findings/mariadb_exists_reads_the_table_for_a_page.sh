#!/usr/bin/env bash
# MariaDB 10.11 answers "the first 20 scans without a review" by reading every review, if the
# question is put as NOT EXISTS; put as a scalar subquery, it stops at the page.
#
# An EXISTS that compares one column with the outer row is turned into an IN, and that into a
# temporary table of all its rows, before the outer table is read. The plan is the one that all scans
# would have: an ORDER BY that an index gives, with a LIMIT of 20, changes nothing, nor does the
# LIMIT 1 inside that Django writes. So a page costs as much as the table it asks about, and grows
# with it, though both indexes are there.
# Hit: lists with "has none yet" beside them, in any ORM: Django's Exists() is this SQL.
# Instead: a scalar subquery, `(SELECT 1 … LIMIT 1) IS NULL`, which is asked row by row; where
# PostgreSQL must plan it too, `NOT (COALESCE((SELECT 1 …), 0) = 1)`, see
# postgres_guesses_half_a_percent_of_an_unanswered_question.sh; or exists_to_in=off for the session.
# Upstream: MariaDB documents the rewriting ("EXISTS-to-IN optimization"); nothing found on LIMIT.
# Needs: mariadb-server 10.11, Debian 12's.
set -euo pipefail

PATH=$PATH:/usr/sbin
mariadbd --version 2> /dev/null | grep -q ' 10\.11\.' || {
  echo "mariadbd 10.11 is missing: apt-get install mariadb-server on Debian 12"
  exit 2
}
room=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2> /dev/null || true
    wait "$server" || true
  fi
}
trap 'stop; rm -rf "$room"' EXIT
mariadb-install-db --no-defaults --datadir="$room/data" --user="$(id -un)" --skip-test-db \
  --auth-root-authentication-method=normal > "$room/install.txt" 2>&1 || exit 2
cd "$room"
mkdir "$room/tmp"
# A folder of its own: a server that starts removes the temporary tables that lie there, whose ever.
mariadbd --no-defaults --datadir="$room/data" --tmpdir="$room/tmp" --user="$(id -un)" --skip-networking \
  --socket="$room/socket" --pid-file="$room/pid" > server.txt 2>&1 &
server=$!
client=(--no-defaults --socket="$room/socket" --user=root --batch --skip-column-names)
for _ in $(seq 300); do
  mariadb "${client[@]}" -e "SELECT 1" > /dev/null 2>&1 && break
  sleep 0.2
done

SCANS=20000 # every second one has a review
mariadb "${client[@]}" > made.txt <<SQL
CREATE DATABASE hospital;
USE hospital;
CREATE TABLE scan (id int PRIMARY KEY, project int NOT NULL, taken int NOT NULL, KEY (project, taken));
CREATE TABLE review (id int PRIMARY KEY, scan_id int NOT NULL, verdict int NOT NULL, KEY (scan_id));
INSERT INTO scan SELECT seq, 1, seq FROM seq_1_to_$SCANS;
INSERT INTO review SELECT seq, seq * 2, 1 FROM seq_1_to_$((SCANS / 2));
ANALYZE TABLE scan, review;
SQL

asked="SELECT 1 FROM review WHERE review.scan_id = scan.id AND review.verdict = 1 LIMIT 1"
page() { # a condition on scans, and what is said to the session before
  local query="SELECT id FROM scan WHERE project = 1 AND $1 ORDER BY taken LIMIT 20"
  mariadb "${client[@]}" hospital -e "${2:-}; EXPLAIN $query" | cut -f 2,4 | paste -sd ' ' | tr '\t' ' ' > plan.txt
  mariadb "${client[@]}" hospital -e "${2:-}; FLUSH STATUS; $query; SELECT CONCAT('read ', SUM(VARIABLE_VALUE))
    FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'HANDLER\\_READ%'" > rows.txt
  found=$(grep -vc read rows.txt)
  read_rows=$(sed -n 's/^read //p' rows.txt)
}

as_known=true
show() { # a name, whether few rows are read, a condition, what is said before
  page "$3" "${4:-}"
  echo "Seen:     $1: $found scans, $read_rows reads ($(cat plan.txt))"
  [ "$found" = 20 ] || as_known=false
  if "$2"; then [ "$read_rows" -lt 500 ] || as_known=false; else [ "$read_rows" -gt 10000 ] || as_known=false; fi
}
mariadbd --version
echo "Expected: about 40 scans and their reviews are read, in the order of the index, for a page of 20."
show "NOT EXISTS (…)" false "NOT EXISTS ($asked)"
show "EXISTS (…)" false "EXISTS ($asked)"
show "(…) IS NULL" true "($asked) IS NULL"
show "NOT (COALESCE((…), 0) = 1)" true "NOT (COALESCE(($asked), 0) = 1)"
show "NOT EXISTS, exists_to_in=off" true "NOT EXISTS ($asked)" "SET optimizer_switch = 'exists_to_in=off'"
"$as_known" || {
  echo "CHANGED"
  exit 1
}
