"""One client, slow, silent or huge, never holds up the others: against the real web processes."""

import contextlib
import http.client
import time

import pytest
import requests

from tests.conftest import PATIENCE_S

MANY = 60
# Far above what any of these answers takes, far below what a thread held by a silent client would cost.
SOON_S = 20.0
HALF_HEAD = b"GET /login/ HTTP/1.1\r\nHost: localhost\r\nX-Half: "
HALF_BODY = (
    b"POST /api/v1/auth/token/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 5000\r\n\r\n{"
)
HALF_CHUNK = (
    b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\n5\r\nuse"
)
UNREAD = b"POST /api/v1/images/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 10_000
ATTACKS = {
    "nothing": b"",
    "half a head": HALF_HEAD,
    "half a body": HALF_BODY,
    "half a chunk": HALF_CHUNK,
    "unread": UNREAD,
}


def seconds(url: str, **arguments) -> float:
    began = time.monotonic()
    assert requests.get(url, timeout=PATIENCE_S, **arguments).status_code == 200
    return time.monotonic() - began


@pytest.mark.parametrize("name", ATTACKS)
def test_connections_that_never_finish_hold_up_nobody(web, name):
    token = web.token()
    with contextlib.ExitStack() as held:
        for _ in range(MANY):
            connection = held.enter_context(web.connect())
            connection.sendall(ATTACKS[name])
        assert seconds(f"{web.root}/healthz") < SOON_S
        assert seconds(f"{web.root}/login/") < SOON_S
        web.token()
        headers = {"Authorization": f"Bearer {token}"}
        assert seconds(f"{web.root}/api/v1/projects/", headers=headers) < SOON_S


def test_a_head_that_never_ends_is_given_up(web):
    with web.connect() as connection:
        connection.sendall(HALF_HEAD)
        assert connection.recv(100) == b""


def test_a_head_without_end_is_refused(web):
    assert b" 431 " in web.raw(HALF_HEAD + b"a" * 300_000)


OPEN = ["/login/", "/api/v1/auth/token/", "/password-reset/", "/nothing/here/"]


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_of_a_stranger_is_refused_early_and_stored_nowhere(web, path, chunked):
    before = web.spooled()
    sent = 0

    def body():
        nonlocal sent
        for _ in range(400):
            sent += 2**20
            yield b"x" * 2**20

    data = body() if chunked else b"x" * (100 * 2**20)
    try:
        answer = requests.post(web.root + path, data=data, timeout=PATIENCE_S)
        assert answer.status_code == 413
        assert answer.headers["Connection"] == "close"
    except requests.ConnectionError:
        # Still sending when the server had heard enough.
        assert chunked
    assert sent < 50 * 2**20
    assert web.spooled() - before < 2**20


def test_a_stranger_is_told_to_sign_in_before_the_body_is_sent(web):
    head = (
        b"POST /api/v1/images/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = web.raw(head)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"not_authenticated" in answer
    assert b"100 Continue" not in answer


def test_who_is_signed_in_is_asked_to_send_on(web):
    head = (
        f"POST /api/v1/images/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {web.token()}\r\n"
        "Content-Length: 3000000\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        "Connection: close\r\n\r\n"
    )
    with web.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x" * 3_000_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_form_in_chunks_is_read(web):
    form = b'--b\r\nContent-Disposition: form-data; name="project"\r\n\r\n987654\r\n--b--\r\n'
    headers = {
        "Authorization": f"Bearer {web.token()}", "Content-Type": "multipart/form-data; boundary=b",
    }  # fmt: skip
    pieces = (form[at : at + 7] for at in range(0, len(form), 7))
    answer = requests.post(f"{web.root}/api/v1/images/", data=pieces, headers=headers, timeout=PATIENCE_S)
    assert {error["attr"]: error["code"] for error in answer.json()["errors"]} == {
        "project": "does_not_exist", "file": "required",
    }  # fmt: skip


def test_more_than_a_route_takes_is_refused_to_anybody(web):
    headers = {"Authorization": f"Bearer {web.token()}"}
    answer = requests.post(f"{web.root}/api/v1/projects/", data=b"x" * 3_000_000, headers=headers, timeout=PATIENCE_S)
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["code"] == "too_large"


def test_a_reader_that_takes_nothing_holds_no_thread(web):
    with contextlib.ExitStack() as held:
        for _ in range(MANY):
            connection = held.enter_context(web.connect())
            connection.sendall(b"GET /login/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        assert seconds(f"{web.root}/healthz") < SOON_S


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X_Forwarded_Proto"])
def test_no_header_makes_a_connection_safe(web, name):
    answer = requests.get(
        f"{web.root}/api/v1/", headers={name: "https", "X-Forwarded-For": "10.1.1.1"}, timeout=PATIENCE_S
    )
    assert "https://" not in answer.text


def test_a_foreign_host_is_one_line_of_the_log(web):
    before = len(web.log.read_text().splitlines())
    assert requests.get(f"{web.root}/login/", headers={"Host": "evil.example"}, timeout=PATIENCE_S).status_code == 400
    lines = web.log.read_text().splitlines()[before:]
    assert len([line for line in lines if "evil.example" in line]) == 1
    assert not [line for line in lines if "Traceback" in line or line.startswith("  File")]


def test_a_connection_stays_open_between_two_questions(web):
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE_S)
    sockets = []
    for pause in (0, 5):
        time.sleep(pause)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:1]) == (200, b"{")
        sockets.append(connection.sock)
    connection.close()
    assert sockets[0] is sockets[1] is not None


def test_a_form_whose_length_is_not_said_is_read_whole(web):
    """Orthanc, httpx and Java send files so."""
    form = (
        b'--b\r\nContent-Disposition: form-data; name="project"\r\n\r\n4711\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.dcm"\r\n\r\n'
        + b"x" * 300_000
        + b"\r\n--b--\r\n"
    )
    parts = (form[at : at + 10_000] for at in range(0, len(form), 10_000))
    headers = {"Authorization": f"Bearer {web.token()}", "Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(f"{web.root}/api/v1/images/", data=parts, headers=headers, timeout=PATIENCE_S)
    assert [(error["code"], error["attr"]) for error in answer.json()["errors"]] == [("does_not_exist", "project")]
