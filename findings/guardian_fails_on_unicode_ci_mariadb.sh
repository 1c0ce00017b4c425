#!/usr/bin/env bash
# django-guardian: on MariaDB `has_perm` works and `get_objects_for_user` fails, if the database's
# collation is not the default one of its character set.
#
# guardian stores the key of an object as text and compares it with CAST(id AS char). A cast takes
# the collation of the *connection*; Django's `charset: utf8mb4` sets that to the server's default
# for utf8mb4 (utf8mb4_general_ci here), whatever database it opens. The column has the database's,
# so in a utf8mb4_unicode_ci database every list view ends in error 1267, "Illegal mix of
# collations". Checks of single objects compare with parameters and pass, so the error is met late.
# Instead: name the database's collation in `OPTIONS: {"collation": ...}`; with `init_command` it
# does not last, because the driver sets the character set afterwards.
# Upstream: PyMySQL/mysqlclient issue 563 (the option exists since 2.2); no guardian thread found.
# Needs: mariadb-server and the headers mysqlclient is built with (default-libmysqlclient-dev).
set -euo pipefail

for program in mariadbd mariadb-install-db mariadb-admin mariadb mariadb_config; do
  PATH=$PATH:/usr/sbin command -v "$program" > /dev/null || {
    echo "$program is missing: apt-get install mariadb-server default-libmysqlclient-dev pkg-config build-essential"
    exit 2
  }
done
room=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2> /dev/null || true
    wait "$server" || true
  fi
}
trap 'stop; rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==5.2.19 django-guardian==3.5.2 mysqlclient==2.3.1
  mariadb-install-db --no-defaults --datadir="$room/data" --user="$(id -un)" --skip-test-db \
    --auth-root-authentication-method=normal > "$room/install.txt" 2>&1
} || exit 2
cd "$room"
PATH=$PATH:/usr/sbin mariadbd --no-defaults --datadir="$room/data" --user="$(id -un)" --skip-networking \
  --socket="$room/socket" --pid-file="$room/pid" > server.txt 2>&1 &
server=$!
client=(--no-defaults --socket="$room/socket" --user=root)
for _ in $(seq 150); do
  mariadb-admin "${client[@]}" ping > /dev/null 2>&1 && break
  sleep 0.2
done
mariadb "${client[@]}" -e \
  "CREATE DATABASE hospital CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci" || exit 2

cat > try.py <<'PY'
import sys
from importlib.metadata import version

import django
from django.conf import settings

collation = sys.argv[1:]
settings.configure(
    SECRET_KEY="only for this script",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "guardian"],
    AUTHENTICATION_BACKENDS=["guardian.backends.ObjectPermissionBackend"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "hospital",
            "USER": "root",
            "OPTIONS": {
                "unix_socket": "socket",
                "charset": "utf8mb4",
                **({"collation": collation[0]} if collation else {}),
            },
        }
    },
)
django.setup()

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import OperationalError, connection
from guardian.shortcuts import assign_perm, get_objects_for_user

call_command("migrate", verbosity=0)
doctor, _ = User.objects.get_or_create(username="doctor")
ward, _ = Group.objects.get_or_create(name="ward")
assign_perm("auth.view_group", doctor, ward)
if not collation:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        server = cursor.fetchone()[0]
    print(*(f"{name} {version(name)}," for name in ("Django", "django-guardian", "mysqlclient")), "MariaDB", server)
    print("Expected: has_perm is True, and get_objects_for_user lists the one object.")
try:
    listed = f"{len(get_objects_for_user(doctor, 'auth.view_group'))} object"
except OperationalError as error:
    listed = f"error {error.args[0]}"
where = f"with OPTIONS['collation'] = {collation[0]}" if collation else "with the character set alone"
print(f"Seen:     {where}: has_perm is {doctor.has_perm('auth.view_group', ward)}, the list gives {listed}.")
if listed != ("1 object" if collation else "error 1267"):
    sys.exit("CHANGED: the list depends on the connection's collation in another way.")
PY
venv/bin/python try.py
venv/bin/python try.py utf8mb4_unicode_ci
