#!/usr/bin/env bash
# drf-spectacular 0.30.0: where two threads of a process ask for the schema first, one of them may
# fail with "AttributeError: 'NoneType' object has no attribute 'startswith'".
#
# Extensions name their class by a dotted path, which is imported when the first schema is made; in
# between the attribute of the extension is None, for all threads. So a web process with threads
# answers one of its first requests for /api/schema/ or the docs page with 500, once after each
# start, and never again: what a retry hides, and a test that runs in one thread never sees.
# Hit: gunicorn's gthread workers and ASGI servers after each deployment, when a page of
# documentation asks twice; tests that check answers of parallel requests against the schema.
# Instead: a lock around the making of the schema, or make one before the first thread.
# Upstream: tfranzel/drf-spectacular 1122 and 1123 tell of it as rare; on two cores it is every time.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    drf-spectacular==0.30.0 djangorestframework==3.18.3 Django==5.2.19
} || exit 2
cd "$room"

cat > first.py <<'PY'
import sys
import threading

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only here",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "drf_spectacular"],
    ROOT_URLCONF=__name__,
    REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
)
django.setup()

from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.generics import GenericAPIView


class Shape(serializers.Serializer):
    name = serializers.CharField()


def view(number):
    class View(GenericAPIView):
        serializer_class = Shape

        def get(self, request):
            """One of many."""

    return View.as_view()


urlpatterns = [path(f"things/{number}/", view(number)) for number in range(20)]

together, failed = threading.Barrier(8), []


def ask():
    together.wait()
    try:
        SchemaGenerator().get_schema(public=True)
    except Exception as error:
        failed.append(f"{type(error).__name__}: {error}")


threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
SchemaGenerator().get_schema(public=True)
print("\n".join(sorted(set(failed))))
sys.exit(3 if failed else 0)
PY

tries=20
failures=0
for _ in $(seq "$tries"); do
  venv/bin/python -W ignore first.py > said.txt 2> errors.txt || { failures=$((failures + 1)); cp said.txt seen.txt; }
done
venv/bin/pip list 2> /dev/null | grep -E '^(Django|djangorestframework|drf-spectacular) '
echo "expected: eight threads get the same schema"
echo "seen: of $tries processes $failures had a thread that failed with"
[ -f seen.txt ] && cat seen.txt
[ "$failures" -gt 0 ] && exit 0
echo "CHANGED: none failed"
exit 1
