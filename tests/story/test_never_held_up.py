"""One client that is slow, waiting or huge holds up nobody: the real server, attacked by harmless means."""

import contextlib
import os
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import PATIENCE_S
from tests.story.conftest import PASSWORD

pytestmark = pytest.mark.story

# The promise is one and three seconds; a machine that runs other tests beside these gets ten times that.
ALIVE_S, READING_S = 10.0, 30.0
UNFINISHED = (
    b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHo",
    b"POST /api/v1/images/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc",
    b"",
)


def spent(root: str, path: str, **arguments) -> float:
    began = time.monotonic()
    answer = requests.request("POST" if arguments else "GET", f"{root}{path}", timeout=120, **arguments)
    assert answer.status_code == 200
    return time.monotonic() - began


def connected(site) -> socket.socket:
    address = urlsplit(site.root)
    return socket.create_connection((address.hostname, address.port), timeout=60)


def stored_bytes(site) -> int:
    folder = site.env["MEDISCAN_DATA_DIR"]
    return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)  # noqa: PTH116, PTH118


def test_connections_that_never_finish_hold_up_nobody(site):
    with contextlib.ExitStack() as held:
        for number in range(80):
            held.enter_context(connected(site)).sendall(UNFINISHED[number % 4])
        assert spent(site.root, "/healthz") < ALIVE_S
        credentials = {"username": "boss", "password": PASSWORD}
        assert spent(site.root, "/api/v1/auth/token/", json=credentials) < READING_S
        assert spent(site.root, "/login/") < READING_S


def test_a_head_that_does_not_end_is_cut_off(site):
    with connected(site) as slow:
        slow.sendall(UNFINISHED[1])
        assert slow.recv(100) == b""


def test_a_head_without_end_is_refused(site):
    with connected(site) as large, contextlib.suppress(ConnectionError):
        large.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 300_000)
        assert large.recv(1000).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    ("path", "megabytes", "status"),
    [
        ("/login/", 400, 413),
        ("/api/v1/auth/token/", 400, 413),
        ("/api/v1/images/", 400, 401),
    ],
)
def test_a_huge_body_without_an_account_is_answered_before_it_is_sent(site, path, megabytes, status):
    before = stored_bytes(site)
    with connected(site) as sender:
        length = f"Content-Length: {megabytes * 2**20}"
        sender.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        assert sender.recv(1000).startswith(f"HTTP/1.1 {status}".encode())
    assert stored_bytes(site) - before < 2**20


def test_a_body_in_chunks_obeys_the_same_limit(site):
    with connected(site) as sender, contextlib.suppress(ConnectionError):
        sender.sendall(b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            sender.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        assert sender.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_in_chunks_is_read_like_any_other(site):
    words = iter([b'{"username": "boss", ', f'"password": "{PASSWORD}"}}'.encode()])
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{site.root}/api/v1/auth/token/", data=words, headers=headers, timeout=120)
    assert answer.status_code == 200


def test_a_connection_outlives_the_pause_of_a_client_that_polls(site):
    with requests.Session() as client:
        assert client.get(f"{site.root}/healthz", timeout=60).ok
        time.sleep(6)
        assert client.get(f"{site.root}/healthz", timeout=60).ok


def test_the_server_that_is_killed_comes_back(site):
    orphans = set(site.pids("spawn_main"))
    assert site.kill("mediscan_site.front.gate")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        # Those that it left behind end by themselves; until then its successor cannot have the port.
        if not orphans & set(site.pids("spawn_main")) and _answers(site):
            return
        time.sleep(0.5)
    raise AssertionError("The web server did not come back.")


def _answers(site) -> bool:
    try:
        return requests.get(f"{site.root}/login/", timeout=5).ok
    except requests.RequestException:
        return False
