"""The OpenAPI document and its page: both formats, and errors in JSON."""

import json
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("?format=json", "*/*", "application/json"),
        ("?format=yaml", "*/*", "application/vnd.oai.openapi"),
        ("", "application/vnd.oai.openapi", "application/vnd.oai.openapi"),
        ("", "text/html,*/*;q=0.8", "application/json"),
    ],
)
def test_the_schema_comes_as_json_or_as_yaml(api, author, query, accept, kind):
    response = api(author).get(f"/api/schema/{query}", HTTP_ACCEPT=accept)
    assert response.status_code == 200
    assert response["Content-Type"].split(";")[0] == kind
    start = b"{" if kind.endswith("json") else b"openapi:"
    assert response.content.startswith(start)


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_who_is_not_signed_in_gets_the_error_in_json(client, path):
    response = client.get(path, HTTP_ACCEPT="text/html,*/*;q=0.8")
    assert response.status_code == 401
    assert response["Content-Type"] == "application/json"
    assert response.json()["errors"][0]["code"] == "not_authenticated"


def test_the_page_is_html(api, author):
    response = api(author).get("/api/docs/", HTTP_ACCEPT="text/html")
    assert response["Content-Type"].startswith("text/html")
    assert b'id="swagger-ui"' in response.content


def test_the_document_is_the_same_for_everyone_and_made_once_for_each_version(api, author, admin, monkeypatch):
    from drf_spectacular.generators import SchemaGenerator

    first = api(admin).get("/api/schema/").content
    assert json.loads(first) == SchemaGenerator().get_schema(public=True)
    monkeypatch.setattr(SchemaGenerator, "parse", lambda *arguments: {})
    assert api(author).get("/api/schema/").content == first
    other = api(author).get("/api/schema/?version=without-paths").json()
    assert (other["info"]["version"], other["paths"]) == ("1 (without-paths)", {})


def test_the_document_is_valid_and_made_without_a_warning():
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_an_operation_names_the_refusals_that_it_may_meet(api, author):
    paths = api(author).get("/api/schema/").json()["paths"]
    upload = paths["/api/v1/images/"]["post"]["responses"]
    assert {"401", "403", "409", "413", "415", "429", "503", "507"} <= set(upload)
    assert "403" not in paths["/api/v1/auth/token/"]["post"]["responses"]
    assert "409" not in paths["/api/v1/images/"]["get"]["responses"]
    assert upload["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/Refusal")


TOGETHER = """
import threading
import django
django.setup()
from mediscan_site.front.schema_api import OneForAll

together, made = threading.Barrier(4), []

def ask():
    together.wait()
    made.append(len(OneForAll().get_schema()["paths"]))

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(made), len(set(made)))
"""


def test_the_first_document_may_be_asked_for_by_several_threads(tmp_path):
    """In a process of its own: here it has been made."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MEDISCAN_TEST_SCRATCH": str(tmp_path)}
    asked = [sys.executable, "-W", "ignore", "-c", TOGETHER]
    done = subprocess.run(asked, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["4 1"], done.stderr[-1000:]
