"""The parts of the gate, each by itself."""

import asyncio
import io
import json
import re
import tempfile
import threading
import time
from pathlib import Path

import pytest
from django.urls import get_resolver, resolve

from mediscan_site.core.http.later import Later, Wait
from mediscan_site.core.storage.spool import IN_MEMORY, SealedSpool
from mediscan_site.front.gate import bodies, limits, waiters
from mediscan_site.front.gate.environ import GATE, environ
from mediscan_site.front.gate.lanes import Lane, Lanes
from mediscan_site.front.gate.refusals import Refused, too_slow
from tests.conftest import contract


def scope(method="GET", path="/", headers=(), **facts):
    return {
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"a=1",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("10.0.0.9", 1),
        "headers": list(headers),
        **facts,
    }


def arriving(*parts: bytes, pause_s: float = 0):
    left = list(parts)

    async def receive():
        await asyncio.sleep(pause_s)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


def names(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern.url_patterns)
        else:
            yield pattern.name


def test_every_route_of_the_table_exists():
    assert {name for name, _ in limits.LIMITS} <= set(names(get_resolver().url_patterns))


def test_every_operation_that_takes_a_file_is_in_the_table():
    document = contract().document
    taking = {
        (resolve(path.replace("{id}", "1")).url_name, method.upper())
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if '"format": "binary"' in json.dumps(operation.get("requestBody", {}))
        or any(
            '"format": "binary"' in json.dumps(document["components"]["schemas"][name])
            for name in re.findall(r"schemas/(\w+)", json.dumps(operation.get("requestBody", {})))
        )
    }
    assert ("image-list", "POST") in taking
    assert taking <= set(limits.LIMITS)


@pytest.mark.parametrize(
    ("name", "method", "setting"),
    [
        ("image-list", "POST", "MAX_SCAN_BYTES"),
        ("import-list", "POST", "MAX_IMPORT_BYTES"),
        ("upload-detail", "PUT", "MAX_IMPORT_BYTES"),
        ("upload-detail", "POST", "DATA_UPLOAD_MAX_MEMORY_SIZE"),
        ("project-list", "POST", "DATA_UPLOAD_MAX_MEMORY_SIZE"),
        (None, "POST", "DATA_UPLOAD_MAX_MEMORY_SIZE"),
    ],
)
def test_a_route_takes_what_its_files_may_have(settings, name, method, setting):
    wanted = getattr(settings, setting)
    form = 0 if setting.startswith("DATA") else limits.FORM_BYTES
    assert limits.limit(name, method) == wanted + form


def test_a_header_with_an_underscore_passes_for_no_other_and_none_opens_the_gate():
    headers = [(b"x_forwarded_for", b"1.2.3.4"), (b"mediscan.gate", b""), (b"cookie", b"a=1"), (b"cookie", b"b=2")]
    made = environ(scope(headers=headers, raw_path=b"/a%20%C3%A4"), io.BytesIO(), 0)
    assert "HTTP_X_FORWARDED_FOR" not in made
    assert made["HTTP_COOKIE"] == "a=1; b=2"
    assert made["PATH_INFO"].encode("latin-1").decode() == "/a ä"
    assert made[GATE] is True
    assert made["REMOTE_ADDR"] == "10.0.0.9"


def test_a_large_body_lies_on_the_disk_only_sealed(monkeypatch):
    written = []
    real = tempfile.TemporaryFile

    def spy(*args, **kwargs):
        written.append(real(*args, **kwargs))
        return written[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", spy)
    clear = b"PATIENT NAME " * (IN_MEMORY // 13 + 10_000)
    spool = SealedSpool()
    for start in range(0, len(clear), 100_000):
        spool.add(clear[start : start + 100_000])
    file = spool.finish()
    sealed = Path(f"/proc/self/fd/{written[0].fileno()}").read_bytes()
    assert b"PATIENT" not in sealed
    assert len(sealed) >= len(clear)
    assert file.read() == clear


def test_a_body_without_a_length_is_judged_as_it_grows(monkeypatch):
    def strangers(_environ):
        raise Refused(401, "not_authenticated", "Sign in.")

    monkeypatch.setattr(limits, "allowance", strangers)
    monkeypatch.setattr(bodies, "with_database", lambda work: work)
    chunked = [(b"transfer-encoding", b"chunked")]
    taken = bodies.Bodies(Lanes())

    async def take(*parts):
        return await taken.take(scope("POST", headers=chunked), arriving(*parts))

    small = asyncio.run(take(b"abc", b"def"))
    assert (small.file.read(), small.size) == (b"abcdef", 6)
    with pytest.raises(Refused) as refused:
        asyncio.run(take(b"x" * limits.OPEN_BYTES, b"x", b"x"))
    assert refused.value.status == 401


@pytest.mark.parametrize("extra", [0, 1])
def test_a_body_of_who_is_known_ends_at_the_limit_of_the_route(monkeypatch, extra):
    monkeypatch.setattr(limits, "allowance", lambda _environ: (7, 200_000))
    monkeypatch.setattr(bodies, "with_database", lambda work: work)
    chunked = [(b"transfer-encoding", b"chunked")]
    parts = [b"x" * 50_000] * 4 + [b"x" * extra]
    take = bodies.Bodies(Lanes()).take(scope("POST", headers=chunked), arriving(*parts))
    if extra:
        with pytest.raises(Refused):
            asyncio.run(take)
    else:
        assert asyncio.run(take).size == 200_000


def test_one_caller_may_not_send_everything_at_once(monkeypatch):
    monkeypatch.setattr(limits, "allowance", lambda _environ: (7, 10**9))
    monkeypatch.setattr(bodies, "with_database", lambda work: work)
    monkeypatch.setattr(bodies, "LARGE_PER_CALLER", 2)
    taken = bodies.Bodies(Lanes())

    async def take():
        return await taken.take(
            scope("POST", headers=[(b"content-length", b"100000")]), arriving(b"x" * 100_000, pause_s=1)
        )

    async def three():
        return await asyncio.gather(*(take() for _ in range(3)), return_exceptions=True)

    refused = [answer for answer in asyncio.run(three()) if isinstance(answer, Refused)]
    assert [(answer.status, answer.headers["Retry-After"]) for answer in refused] == [(503, "5")]
    assert asyncio.run(take()).size == 100_000


def test_a_body_that_pauses_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(bodies, "PAUSE_S", 0.1)
    taken = bodies.Bodies(Lanes())
    with pytest.raises(Refused) as refused:
        asyncio.run(taken.take(scope("POST", headers=[(b"content-length", b"5")]), arriving(b"x", pause_s=30)))
    assert refused.value.status == 408


def test_a_lane_refuses_what_it_could_not_do_soon():
    lane, go = Lane("narrow", 1), threading.Event()

    async def crowd():
        asked = [asyncio.ensure_future(lane.run(go.wait)) for _ in range(40)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(crowd())
    assert answers.count(True) == 26
    assert {answer.headers["Retry-After"] for answer in answers if answer is not True} == {"5"}
    assert lane.taken == 0


@pytest.mark.parametrize(("path", "lane"), [("/login/", "sign-in"), ("/readyz", "probes"), ("/projects/", "pages")])
def test_passwords_and_probes_have_threads_of_their_own(path, lane):
    assert Lanes().of(scope(path=path), 10, limits.OPEN_BYTES).name == lane
    assert Lanes().of(scope(path="/api/v1/images/"), 10**6, limits.OPEN_BYTES).name == "uploads"


def test_all_who_wait_are_looked_after_in_one_look(monkeypatch):
    monkeypatch.setattr(waiters, "with_database", lambda work: work)
    looks = []

    def ready(keys):
        looks.append(set(keys))
        return set(keys) if len(looks) > 1 else set()

    async def wait():
        waiting = waiters.Waiters(Lane("watch", 1))
        await asyncio.gather(*(waiting.over(Wait(ready, key, 60)) for key in range(100)))

    began = time.monotonic()
    asyncio.run(wait())
    assert time.monotonic() - began < 30
    assert looks[0] == set(range(100))
    assert len(looks) < 10


def test_what_was_answered_before_somebody_waited_is_found_without_a_ring(monkeypatch):
    monkeypatch.setattr(waiters, "with_database", lambda work: work)
    monkeypatch.setattr(waiters, "RUNG_S", 3600)
    monkeypatch.setattr(waiters, "POLL_S", 3600)

    async def wait():
        waiting = waiters.Waiters(Lane("watch", 1))
        await waiting.over(Wait(lambda keys: set(keys), 1, 60))
        # The next one comes while nobody else waits, and while somebody does.
        other = asyncio.ensure_future(waiting.over(Wait(lambda _keys: set(), 2, 60)))
        await asyncio.sleep(3 * waiters.FIRST_S)
        await waiting.over(Wait(lambda keys: set(keys), 3, 60))
        waiting.stop()
        await other

    began = time.monotonic()
    asyncio.run(wait())
    assert time.monotonic() - began < 30


def test_beyond_the_bound_and_when_the_process_ends_nobody_waits(monkeypatch):
    monkeypatch.setattr(waiters, "with_database", lambda work: work)
    monkeypatch.setattr(waiters, "MOST_WAITING", 1)

    async def wait():
        waiting = waiters.Waiters(Lane("watch", 1))
        first = asyncio.ensure_future(waiting.over(Wait(lambda _keys: set(), 1, 60)))
        await asyncio.sleep(0.1)
        await waiting.over(Wait(lambda _keys: set(), 2, 60))
        assert not first.done()
        waiting.stop()
        await first

    began = time.monotonic()
    asyncio.run(wait())
    assert time.monotonic() - began < 30


def test_a_marker_hands_its_headers_and_changes_on():
    from django.http import HttpResponse

    inner = Later(Wait(lambda keys: set(keys), 1, 1), lambda: HttpResponse(b"done", status=201))
    outer = Later(Wait(lambda keys: set(keys), 1, 1), lambda: inner).then(_marked)
    outer["X-Request-ID"] = "abc"
    between = outer.finished()
    assert isinstance(between, Later)
    answer = between.finished()
    assert (answer.status_code, answer.content, answer["X-Request-ID"], answer["X-Marked"]) == (
        201,
        b"done",
        "abc",
        "yes",
    )


def _marked(response):
    response["X-Marked"] = "yes"
    return response


def test_who_was_known_a_moment_ago_is_not_looked_up_again_and_nobody_else_profits(monkeypatch):
    monkeypatch.setattr(limits, "_known", {})
    sent = environ(scope("POST", "/api/v1/images/", [(b"authorization", b"Bearer one")]), io.BytesIO(), 0)
    other = environ(scope("POST", "/api/v1/images/", [(b"authorization", b"Bearer two")]), io.BytesIO(), 0)
    assert limits.remembered(sent) is None
    limits._remember(sent, 7)
    assert limits.remembered(sent) == (7, limits.limit("image-list", "POST"))
    assert limits.remembered(other) is None
    monkeypatch.setattr(limits, "_known", {key: (user, 0.0) for key, (user, _) in limits._known.items()})
    assert limits.remembered(sent) is None


def test_a_page_of_the_gate_speaks_the_browser_s_language_and_the_api_english():
    german = [(b"accept-language", b"de")]
    page = too_slow().answer(scope("POST", "/projects/1/upload/", german))[1].decode()
    assert "Der Inhalt kam zu langsam an und wurde aufgegeben." in page
    assert "<h1>Zeitüberschreitung</h1>" in page
    body = too_slow().answer(scope("POST", "/api/v1/images/", german))[1]
    assert b"The body arrived too slowly and was given up." in body


@pytest.mark.parametrize("path", ["/login/", "/api/v1/images/"])
def test_a_refusal_of_the_gate_has_the_headers_of_every_other_answer(settings, path):
    settings.SECURE_HSTS_SECONDS = 3600
    refused = Refused(413, "too_large", "The body is larger than <b>5</b> bytes.", {"Retry-After": "5"})
    headers, body = refused.answer(scope("POST", path, scheme="https"))
    said = {name.decode().lower(): value.decode() for name, value in headers}
    assert said["strict-transport-security"].startswith("max-age=3600")
    assert "default-src 'none'" in said["content-security-policy"]
    assert (said["x-frame-options"], said["x-content-type-options"], said["cache-control"]) == (
        "DENY",
        "nosniff",
        "no-store",
    )
    assert (said["content-length"], said["retry-after"]) == (str(len(body)), "5")
    assert all(
        name != b"Strict-Transport-Security" for name, _ in Refused(408, "too_slow", "x").answer(scope("POST", path))[0]
    )


def test_a_refusal_of_the_gate_is_a_page_for_people_and_json_for_programs():
    refused = Refused(413, "too_large", "The body is larger than <b>5</b> bytes.")
    headers, page = refused.answer(scope("POST", "/projects/1/upload/"))
    assert dict(headers)[b"Content-Type"].startswith(b"text/html")
    assert b"<h1>" in page
    assert b"&lt;b&gt;5&lt;/b&gt;" in page
    assert json.loads(refused.answer(scope("POST", "/api/v1/images/"))[1])["errors"][0]["code"] == "too_large"
