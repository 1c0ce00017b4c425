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

OPENED_AGAIN = """
import django
from mediscan_site import tracing
django.setup()
from django.db import connection
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
tracing.watch_statements(provider.get_tracer("test"))
for _ in range(3):
    connection.close()
    connection.connect()
    kept_before = len(kept.get_finished_spans())
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    print(*(span.name for span in kept.get_finished_spans()[kept_before:]))
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


def test_a_statement_is_one_span_however_often_its_connection_was_opened(tmp_path):
    pytest.importorskip("opentelemetry.sdk.trace")
    own = {"DJANGO_SETTINGS_MODULE": "tests.settings", "MEDISCAN_TEST_SCRATCH": str(tmp_path), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", OPENED_AGAIN],
        cwd=site.BASE_DIR,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["SELECT"] * 3


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
