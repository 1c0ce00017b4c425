"""The configurations under deploy/, run by nginx and Caddy before a small site: what passes, what is stripped, what streams."""

import http.client
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from django.conf import settings as site
from django.test import RequestFactory

from mediscan_site.core.http.middleware import client_ip
from tests.conftest import PATIENCE_S
from tests.site.tls import servers

NAME = "mediscan.example"
DEPLOY = Path(site.BASE_DIR) / "deploy"
HSTS = "max-age=31536000"


class Backend(BaseHTTPRequestHandler):
    """Says what reached it, and when the first of a body did."""

    protocol_version = "HTTP/1.1"
    arrived = threading.Event()

    def do_GET(self) -> None:
        self._answer(0)

    def do_POST(self) -> None:
        left, read = int(self.headers.get("Content-Length", 0)), 0
        while left and (piece := self.rfile.read1(min(left, 65536))):
            self.arrived.set()
            left, read = left - len(piece), read + len(piece)
        self._answer(read)

    def _answer(self, read: int) -> None:
        body = json.dumps({"path": self.path, "headers": list(self.headers.items()), "read": read}).encode()
        self.send_response(200)
        self.send_header("Strict-Transport-Security", HSTS)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()


def nginx(folder: Path, text: str, https: int, http: int) -> list[str]:
    text = text.replace("listen 443", f"listen 127.0.0.1:{https}").replace("listen 80", f"listen 127.0.0.1:{http}")
    (folder / "site.conf").write_text(text.replace("/etc/mediscan/", f"{folder}/"))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}"
    )
    return [servers.needed("nginx"), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def caddy(folder: Path, text: str, https: int, http: int) -> list[str]:
    text = text.replace("{\n\tadmin off", f"{{\n\tadmin off\n\thttp_port {http}\n\thttps_port {https}", 1)
    text = text.replace("{$MEDISCAN_TLS:}", f"bind 127.0.0.1\n\ttls {folder}/fullchain.pem {folder}/privkey.pem")
    (folder / "Caddyfile").write_text(text)
    return [servers.needed("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(scope="module", params=[("nginx.conf", nginx), ("Caddyfile", caddy)], ids=["nginx", "caddy"])
def proxy(request, backend):
    """The port of https, that of http, and what a client trusts."""
    name, start = request.param
    with servers.shared_folder() as folder:
        ca = trustme.CA()
        issued = ca.issue_cert(NAME)
        (folder / "fullchain.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(folder / "privkey.pem")
        https, http_port = servers.free_port(), servers.free_port()
        text = (DEPLOY / name).read_text().replace("127.0.0.1:8000", f"127.0.0.1:{backend}")
        command = start(folder, text, https, http_port)
        context = ssl.create_default_context()
        ca.configure_trust(context)
        environment = {
            "PATH": "/usr/bin:/usr/sbin:/bin",
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
        }
        with servers.running(command, folder, lambda: servers.listens(https), env=environment):
            yield https, http_port, context


class Connection(http.client.HTTPSConnection):
    """To the proxy on this machine, whatever the name in the address."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, context=context, timeout=PATIENCE_S / 10)
        self._ours = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._ours.wrap_socket(self.sock, server_hostname=NAME)


def asked(proxy, path: str = "/", headers: dict[str, str] | None = None) -> tuple[http.client.HTTPResponse, dict]:
    connection = Connection(proxy[0], proxy[2])
    connection.request("GET", path, headers={"Host": NAME, **(headers or {})})
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_a_page_comes_through_with_hsts_once(proxy):
    answer, seen = asked(proxy, "/login/?next=%2Fscans%2F")
    assert (answer.status, seen["path"]) == (200, "/login/?next=%2Fscans%2F")
    assert answer.headers.get_all("Strict-Transport-Security") == [HSTS]
    assert not re.search(r"\d", answer.headers.get("Server", ""))


SPOOFED = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=http;host=evil.example",
    "X_Forwarded_For": "203.0.113.9",
}


def test_what_a_client_says_of_itself_in_headers_has_no_effect(proxy, settings):
    _, seen = asked(proxy, headers=SPOOFED)
    pairs = [(name.lower(), value) for name, value in seen["headers"]]
    assert [value for name, value in pairs if name == "x-forwarded-for"] == ["127.0.0.1"]
    assert [value for name, value in pairs if name == "x-forwarded-proto"] == ["https"]
    assert not any("203.0.113.9" in value or "evil" in value for name, value in pairs if name != "x_forwarded_for")
    settings.TRUSTED_PROXIES, settings.SECURE_PROXY_SSL_HEADER = 1, ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = [NAME]
    # As a web server hands them to Django, which drops names with underscores.
    meta = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in pairs if "_" not in name}
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", **meta)
    assert (client_ip(request), request.is_secure(), request.get_host()) == ("127.0.0.1", True, NAME)


def test_a_body_is_passed_on_as_it_arrives_and_whole(proxy):
    Backend.arrived.clear()
    connection, piece = Connection(proxy[0], proxy[2]), b"x" * 2**20
    connection.putrequest("POST", "/api/v1/imports/", skip_host=True)
    for name, value in {"Host": NAME, "Content-Length": str(64 * len(piece))}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(piece)
    assert Backend.arrived.wait(PATIENCE_S), "nothing reached the site while the client was still sending"
    for _ in range(63):
        connection.send(piece)
    assert json.loads(connection.getresponse().read())["read"] == 64 * len(piece)


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(proxy):
    connection = Connection(proxy[0], proxy[2])
    connection.putrequest("POST", "/api/v1/imports/", skip_host=True)
    for name, value in {"Host": NAME, "Content-Length": str(40 * 2**30), "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413


@pytest.mark.parametrize("path", ["/static../settings.py", "/static/..%2f..%2fmanage.py", "/%2e%2e/%2e%2e/etc/passwd"])
def test_no_path_leaves_the_site(proxy, path):
    connection = Connection(proxy[0], proxy[2])
    connection.request("GET", path, headers={"Host": NAME})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 400 or json.loads(text)["path"]
    assert b"root:" not in text


def test_http_is_redirected_to_the_name_and_not_to_what_the_client_calls_it(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy[1], timeout=PATIENCE_S)
    connection.request("GET", "/scans/?page=2", headers={"Host": NAME})
    answer = connection.getresponse()
    assert answer.status in (301, 308)
    assert answer.headers["Location"].removeprefix(f"https://{NAME}").removeprefix(f":{proxy[0]}") == "/scans/?page=2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_the_tls_of_yesterday_is_refused(proxy, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Connection(proxy[0], context).connect()


def test_another_name_gets_no_answer(proxy):
    connection = Connection(proxy[0], proxy[2])
    http.client.HTTPConnection.connect(connection)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection.sock, server_hostname="other.example")
