#!/usr/bin/env bash
# A read-only choice field that may be blank: the OpenAPI schema forbids the value that is sent.
#
# For `CharField(choices=..., blank=True)` drf-spectacular names the choices and, in an enum of its
# own, the empty string. Put the field into `read_only_fields`, and Django REST framework drops
# `allow_blank` from the serializer field, since it concerns input alone; the schema is made from
# that field, so the empty string is missing there, while rows go on being answered with "". Strict
# clients generated from the schema raise on the server's own answers.
# Instead: give the field a real choice for "nothing", or declare the serializer field yourself; and
# check real answers against the schema in a test.
# Upstream: encode/django-rest-framework pull request 8116 mended the same for `allow_null`;
# tfranzel/drf-spectacular issue 135 did for writable fields. Nothing found for blank and read-only.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==5.2.19 djangorestframework==3.18.3 drf-spectacular==0.30.0 jsonschema==4.26.0
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys
from importlib.metadata import version

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for this script",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework", "drf_spectacular"],
    REST_FRAMEWORK={
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

import jsonschema
from django.db import models
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from rest_framework import generics, serializers


class Scan(models.Model):
    hold = models.CharField(max_length=10, choices=[("writing", "writing in it"), ("face", "a face")], blank=True)

    class Meta:
        app_label = "scans"


class Writable(serializers.ModelSerializer):
    class Meta:
        model = Scan
        fields = ["hold"]


class ReadOnly(serializers.ModelSerializer):
    class Meta:
        model = Scan
        fields = ["hold"]
        read_only_fields = ["hold"]


def route(serializer):
    view = generics.RetrieveAPIView.as_view(queryset=Scan.objects.all(), serializer_class=serializer)
    return path(f"{serializer.__name__.lower()}/<int:pk>/", view)


urlpatterns = [route(Writable), route(ReadOnly)]
schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]


def answer_is_valid(serializer):
    answer = serializer(Scan(hold="")).data
    assert answer == {"hold": ""}
    schema = {"$ref": f"#/components/schemas/{serializer.__name__}", "components": {"schemas": schemas}}
    return jsonschema.Draft4Validator(schema).is_valid(dict(answer))


writable, read_only = answer_is_valid(Writable), answer_is_valid(ReadOnly)
names = ("Django", "djangorestframework", "drf-spectacular", "jsonschema")
print(", ".join(f"{name} {version(name)}" for name in names))
print('Expected: the answer {"hold": ""} is valid by the schema of its serializer, either way.')
print(f"Seen:     writable field: {writable}; read-only field: {read_only}.")
if not writable or read_only:
    sys.exit("CHANGED: the schema allows what is sent.")
PY
venv/bin/python try.py
