"""`serve` with TLS: what a browser, an old client and one without TLS meet."""

import contextlib
import hashlib
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import requests
import trustme
from django.conf import settings

from tests.conftest import PATIENCE_S
from tests.site.tls.servers import free_port

PASSWORD = "a long and private sentence"


class Site:
    def __init__(self, folder: Path, **extra: str) -> None:
        self.folder, self.port = folder, free_port()
        self.root = f"https://localhost:{self.port}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.env = {
            **kept,
            "MEDISCAN_DATA_DIR": str(folder / "data"),
            "MEDISCAN_KEYS_FILE": str(folder / "keys" / "keys.json"),
            "PORT": str(self.port),
            "OMP_NUM_THREADS": "1",
            **extra,
        }
        self.log = folder / "site.log"

    @contextlib.contextmanager
    def running(self, ca: Path):
        with self.log.open("wb") as log:
            command = [sys.executable, "manage.py", "serve"]
            process = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                self._wait(process, ca)
                yield self
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    def _wait(self, process: "subprocess.Popen[bytes]", ca: Path) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(requests.RequestException, OSError):
                if requests.get(f"{self.root}/healthz", timeout=60, verify=str(ca)).ok:
                    return
            time.sleep(0.3)
        raise AssertionError(self.log.read_text()[-3000:])


def spoken(port: int, version: ssl.TLSVersion) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    # An OpenSSL that itself would not speak so old a TLS would prove nothing.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection(("localhost", port), timeout=60) as raw, context.wrap_socket(raw) as wrapped:
        return wrapped.version()


@pytest.fixture(scope="module")
def self_made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("self-made")
    with Site(folder, TLS="1").running(folder / "keys" / "tls.crt") as site:
        yield site


def test_it_speaks_the_tls_of_today_and_not_that_of_yesterday(self_made):
    for version, name in {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}.items():
        assert spoken(self_made.port, version) == name
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            spoken(self_made.port, version)


def test_plain_http_gets_nothing_of_the_site(self_made):
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://localhost:{self_made.port}/login/", timeout=60)


def test_cookies_are_secure_and_log_in_works_over_https(self_made):
    made = subprocess.run(
        [sys.executable, "manage.py", "create_user", "boss", "--role", "admin"],
        cwd=settings.BASE_DIR, env={**self_made.env, "MEDISCAN_PASSWORD": PASSWORD}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    session = requests.Session()
    session.trust_env = False  # a bundle that the environment names would win over ours
    session.verify = str(self_made.folder / "keys" / "tls.crt")
    page = session.get(f"{self_made.root}/login/", timeout=PATIENCE_S)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    form = {"username": "boss", "password": PASSWORD, "csrfmiddlewaretoken": token}
    answer = session.post(
        f"{self_made.root}/login/", data=form, headers={"Referer": f"{self_made.root}/login/", "Origin": self_made.root},
        timeout=PATIENCE_S, allow_redirects=False,
    )  # fmt: skip
    assert answer.status_code == 302, answer.text[:500]
    assert {cookie.name for cookie in session.cookies} >= {"sessionid", "csrftoken"}
    assert all(cookie.secure for cookie in session.cookies)


def test_a_certificate_that_the_site_made_is_told_and_brings_no_hsts(self_made):
    shown = self_made.log.read_text()
    leaf = ssl.get_server_certificate(("localhost", self_made.port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest().upper()
    assert ":".join(digest[at : at + 2] for at in range(0, 64, 2)) in shown
    answer = requests.get(
        f"{self_made.root}/login/", verify=str(self_made.folder / "keys" / "tls.crt"), timeout=PATIENCE_S
    )
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


def test_a_users_certificate_is_served_with_its_chain_and_brings_hsts(tmp_path):
    ca = trustme.CA()
    between = ca.create_child_ca()
    leaf = between.issue_cert("localhost")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "chain.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    paths = {"TLS_CERT": str(tmp_path / "chain.pem"), "TLS_KEY": str(tmp_path / "key.pem")}
    with Site(tmp_path, **paths).running(tmp_path / "ca.pem") as site:
        answer = requests.get(f"{site.root}/login/", verify=str(tmp_path / "ca.pem"), timeout=PATIENCE_S)
        assert (answer.status_code, answer.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
        assert not (tmp_path / "keys" / "tls.pem").exists()
