#!/usr/bin/env bash
# CursorPagination of Django REST framework never reaches the end when many rows share one value,
# although the ordering ends in the primary key.
#
# `ordering = ("taken_on", "id")` is unique for each row, and the SQL sorts by both. But the cursor
# holds the value of the *first* field only, plus an offset among rows that share it, and that
# offset is cut at `offset_cutoff` (1000). Once more rows than that share one value, `next` leads
# back to the same page for ever: clients read page 11 again and again, and never see the rest.
# Hit: lists ordered by a date, a state or an import time, after a bulk import.
# Instead: order by one unique field alone, or page with a keyset of your own on (value, id); a
# larger `offset_cutoff` only moves the place.
# Upstream: encode/django-rest-framework issue 7887 (open since 2021). The guide asks for a field
# that is unique or nearly so.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check Django==5.2.19 djangorestframework==3.18.3
} || exit 2
cd "$room"

cat > try.py <<'PY'
import datetime
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for this script",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()

import rest_framework
from django.db import connection, models
from django.test import Client
from django.urls import path
from rest_framework import generics, pagination, serializers

ROWS = 3000


class Scan(models.Model):
    taken_on = models.DateField()

    class Meta:
        app_label = "scans"


class ScanSerializer(serializers.ModelSerializer):
    class Meta:
        model = Scan
        fields = ["id"]


class Pages(pagination.CursorPagination):
    page_size = 100
    ordering = ("taken_on", "id")


class Scans(generics.ListAPIView):
    queryset = Scan.objects.all()
    serializer_class = ScanSerializer
    pagination_class = Pages


urlpatterns = [path("scans/", Scans.as_view())]

with connection.schema_editor() as editor:
    editor.create_model(Scan)
Scan.objects.bulk_create(Scan(taken_on=datetime.date(2026, 1, 1)) for _ in range(ROWS))

client, link, links, ids = Client(), "/scans/", [], []
while link and link not in links:
    links.append(link)
    page = client.get(link).json()
    ids += [row["id"] for row in page["results"]]
    link = page["next"]

print("Django", django.__version__, "Django REST framework", rest_framework.__version__)
print(f"Expected: following `next` shows {ROWS} rows in {ROWS // Pages.page_size} pages, then there is no next page.")
again = f"page {links.index(link) + 1} as the next one" if link else "no next page"
print(f"Seen:     page {len(links)} names {again}; {len(set(ids))} of {ROWS} rows were shown until then.")
if link is None or len(set(ids)) == ROWS:
    sys.exit("CHANGED: the pages come to an end.")
PY
venv/bin/python try.py
