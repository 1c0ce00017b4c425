"""Traces: of requests, tasks and statements, without what people typed; and a start that says what is missing."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import settings as site
from django.core.exceptions import ImproperlyConfigured

from mediscan_site import tracing

SECRET = "Mustermann"
TRACED = """
import django
from mediscan_site import tracing
django.setup()
provider = tracing.begin("web")
from django.test import Client
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT 1 WHERE %s = 'x'", ["Mustermann"])
Client().get("/login/?next=/Mustermann/", HTTP_HOST="localhost")
Client().get("/nothing/Mustermann/", HTTP_HOST="localhost")
provider.force_flush()
"""


def test_without_an_address_nothing_is_imported(settings):
    settings.TRACES_TO = ""
    tracing.begin("web")
    tracing.require()


def test_missing_packages_end_the_start_with_the_remedy(settings, monkeypatch):
    settings.TRACES_TO = "http://127.0.0.1:4318"
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.django", None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-otel\.txt"):
        tracing.begin("web")


class Collector(BaseHTTPRequestHandler):
    received: list[bytes] = []

    def do_POST(self):
        Collector.received.append(self.path.encode() + self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_a_collector_gets_requests_and_statements_and_nothing_that_was_typed(tmp_path):
    pytest.importorskip("opentelemetry.instrumentation.django")
    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "MEDISCAN_TEST_SCRATCH": str(tmp_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "DATABASE_URL": "",
    }
    done = subprocess.run([sys.executable, "-c", TRACED], cwd=site.BASE_DIR, env=env, capture_output=True, text=True)
    server.shutdown()
    assert done.returncode == 0, done.stderr
    sent = b"".join(Collector.received)
    assert b"/v1/traces" in sent
    assert b"mediscan-web" in sent
    assert b"login/" in sent
    assert b"SELECT" in sent
    assert SECRET.encode() not in sent
