"""Objects on S3 and the laboratory book over https with a CA of our own: another CA is refused."""

import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.conf import settings as site

from tests.site.tls import servers

WRITE_AND_READ = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure()
from django.core.files.base import ContentFile
from django.core.files.storage.handler import StorageHandler
import boto3
from mediscan_site import connections
boto3.resource("s3").create_bucket(Bucket="tls")
store = StorageHandler({"blobs": connections.blob_storage("s3://tls/x", Path("unused"), Path("/nowhere"))})["blobs"]
print(store.open(store.save("a", ContentFile(b"kept"))).read().decode())
"""
LOOK = """
import mlflow
from mlflow.tracking import MlflowClient
print("found", MlflowClient().get_experiment("7").name)
"""


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    return servers.papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def bucket(papers):
    moto = pytest.importorskip("moto.server", reason="moto is not installed: S3 is not tested")
    from werkzeug.serving import make_server

    server = make_server(servers.RIGHT, 0, moto.DomainDispatcherApplication(moto.create_backend_app), threaded=True,
                         ssl_context=(str(papers.certificate), str(papers.key)))  # fmt: skip
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()


class _Book(BaseHTTPRequestHandler):
    """As much of MLflow's server as one question needs."""

    def do_GET(self) -> None:
        body = b'{"experiment": {"experiment_id": "7", "name": "book", "lifecycle_stage": "active"}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def book(papers):
    server = ThreadingHTTPServer((servers.RIGHT, 0), _Book)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()


def run(script: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(site.BASE_DIR),
        "NO_PROXY": "127.0.0.0/8,127.0.0.1",
    }
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=servers.PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("trusted", [True, False])
def test_objects_go_to_a_server_that_the_ca_bundle_knows_and_to_no_other(bucket, papers, tmp_path, trusted):
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    address = f"https://{servers.RIGHT}:{bucket}"
    ca = str(papers.ca if trusted else papers.other_ca)
    done = run(WRITE_AND_READ, tmp_path, AWS_ENDPOINT_URL_S3=address, AWS_CA_BUNDLE=ca, AWS_MAX_ATTEMPTS="1", **keys)
    assert ("kept" in done.stdout) == trusted, done.stderr
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in done.stderr


@pytest.mark.parametrize("trusted", [True, False])
def test_the_book_is_kept_by_a_server_that_the_ca_knows_and_by_no_other(book, papers, tmp_path, trusted):
    ca = str(papers.ca if trusted else papers.other_ca)
    done = run(
        LOOK,
        tmp_path,
        MLFLOW_TRACKING_URI=f"https://{servers.RIGHT}:{book}",
        MLFLOW_TRACKING_SERVER_CERT_PATH=ca,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert ("found book" in done.stdout) == trusted, done.stderr
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in done.stderr
