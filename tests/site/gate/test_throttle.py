"""Who is held back, by which count; and how callers take turns in a lane."""

import asyncio
import threading

import pytest

from mediscan_site.core import counting
from mediscan_site.front.gate import app, lanes, throttle
from mediscan_site.front.gate.lanes import Lane
from mediscan_site.front.gate.refusals import Refused
from mediscan_site.front.gate.throttle import Shared, Throttle, kind_of
from tests.site.gate.test_parts import scope

KEY = [(b"authorization", b"Token ms_some")]


def waits(shared: Shared, who: str, times: int, rate: float = 10) -> list[float]:
    return [shared.wait(who, rate, most=0.0) for _ in range(times)]


def test_ten_seconds_worth_may_come_at_once_and_no_more():
    found = waits(Shared(None), "somebody", 110)
    assert found[:100] == [0.0] * 100
    assert all(wait > 0 for wait in found[101:])


def test_processes_share_one_count(tmp_path):
    one, other = Shared(str(tmp_path)), Shared(str(tmp_path))
    waits(one, "somebody", 50)
    found = waits(other, "somebody", 60)
    assert (found[49], found[59] > 0) == (0.0, True)
    assert waits(other, "another", 1) == [0.0]
    assert (tmp_path / "callers").stat().st_mode & 0o077 == 0


def test_whoever_waits_a_little_has_its_place_and_a_refused_one_has_none():
    shared = Shared(None)
    waits(shared, "somebody", 100)
    first, second = (shared.wait("somebody", 10, most=1.0) for _ in range(2))
    assert 0 <= first < second
    before = shared.wait("somebody", 10, most=0.0)
    assert shared.wait("somebody", 10, most=0.0) == pytest.approx(before, abs=0.05)


def test_a_file_from_before_the_machine_was_started_anew_holds_nobody_back(tmp_path, monkeypatch):
    waits(Shared(str(tmp_path)), "somebody", 1)
    started = throttle.time.monotonic() - 3600.0
    monkeypatch.setattr(throttle.time, "monotonic", lambda: started)
    found = waits(Shared(str(tmp_path)), "somebody", 110)
    assert found[:100] == [0.0] * 100
    assert found[109] > 0


def test_more_callers_than_places_forget_the_idlest(monkeypatch):
    monkeypatch.setattr(Shared, "SLOTS", 16)
    shared = Shared(None)
    waits(shared, "busy", 105)
    for number in range(200):
        shared.wait(f"caller {number}", 10, most=0.0)
    assert waits(shared, "busy", 1)[0] > 0


@pytest.mark.parametrize(
    ("method", "path", "query", "kind"),
    [
        ("GET", "/api/v1/images/", b"page_size=50", "reading"),
        ("GET", "/api/v1/images/", b"format=csv", "expensive"),
        ("GET", "/api/v1/images/", b"page_size=50&format=csv", "expensive"),
        ("GET", "/search/", b"q=x", "expensive"),
        ("GET", "/palette/", b"q=x", "expensive"),
        ("HEAD", "/search/", b"q=x", "expensive"),
        ("GET", "/search/none/", b"q=x", "reading"),
        ("GET", "/exports/3/", b"", "reading"),
        ("POST", "/api/v1/exports/", b"", "expensive"),
        ("POST", "/projects/1/exports/new/", b"", "expensive"),
        ("POST", "/api/v1/labels/", b"", "writing"),
        ("PATCH", "/api/v1/images/3/", b"", "writing"),
        ("POST", "/api/v1/images/", b"", "uploads"),
        ("POST", "/api/v1/grades/", b"", "uploads"),
        ("POST", "/api/grade", b"", "uploads"),
        ("POST", "/nothing/here/", b"", "writing"),
    ],
)
def test_what_is_asked_for_has_a_kind(method, path, query, kind):
    assert kind_of({**scope(method, path=path), "query_string": query}) == kind


@pytest.mark.parametrize(
    ("path", "counted"),
    [("/readyz", False), ("/metrics", False), ("/static/css/site.css", False), ("/readyzz", True), ("/login/", True)],
)
def test_probes_and_static_files_are_not_counted_and_what_only_begins_like_one_is(path, counted):
    assert throttle.is_counted(path) is counted


def test_a_caller_is_an_address_until_an_answer_told_whose_the_token_is(settings):
    settings.TRUSTED_PROXIES = 1
    known = Throttle(None)
    asked = scope(path="/api/v1/images/", headers=[*KEY, (b"x-forwarded-for", b"9.9.9.9, 2001:db8::1:2")])
    assert known.caller(asked) == throttle.Caller("address 2001:db8::", "strangers")
    known.learn(asked, None)
    known.learn(asked, 7)
    assert known.caller(asked) == throttle.Caller("account 7", "reading")
    assert known.caller(scope(path="/api/v1/images/")).kind == "strangers"


def test_the_session_is_known_whatever_other_cookies_do():
    known = Throttle(None)
    known.learn(scope(headers=[(b"cookie", b"theme=dark; sessionid=abc")]), 5)
    assert known.caller(scope(headers=[(b"cookie", b"sessionid=abc; csrftoken=x")])).who == "account 5"


def refused_strangers() -> float:
    samples = next(iter(counting.THROTTLED.collect())).samples
    return sum(one.value for one in samples if one.labels == {"kind": "strangers"} and one.name.endswith("_total"))


def test_too_quick_is_held_back_then_refused_and_static_files_never(settings, monkeypatch):
    settings.THROTTLE = {**settings.THROTTLE, "strangers": 1}
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(throttle.asyncio, "sleep", sleep)
    held, asked = Throttle(None), scope(path="/login/")
    before = refused_strangers()

    async def ask(times, what):
        for _ in range(times):
            await held.admit(what)

    asyncio.run(ask(11, asked))
    assert len(slept) <= 1
    with pytest.raises(Refused) as refused:
        asyncio.run(ask(2, asked))
    assert (refused.value.status, refused.value.code) == (429, "throttled")
    assert int(refused.value.headers["Retry-After"]) >= 1
    assert refused_strangers() == before + 1
    asyncio.run(ask(50, scope(path="/static/css/site.css")))


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/login/", "/login/"),
        ("/password-reset/MQ/c1x2-secret-token/", "/password-reset/<uidb64>/<token>/"),
        ("/login/\nWARNING all is well", "no page"),
    ],
)
def test_who_is_turned_away_is_logged_once_for_many_without_the_address(path, named, settings, caplog, monkeypatch):
    settings.THROTTLE = {**settings.THROTTLE, "strangers": 1}
    monkeypatch.setattr(throttle, "REFUSED_S", 0.0)
    now = throttle.time.monotonic()
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now)
    gate, asked = app.Gate(None), scope(path=path, type="http")
    caller = gate._throttle.caller(asked)

    async def send(message):
        pass

    async def ask():
        for _ in range(14):
            gate._throttle._shared.wait(f"{caller.kind} {caller.who}", 1, most=1.0)
        for _ in range(3):
            await gate(asked, None, send)

    asyncio.run(ask())
    lines = [one.getMessage() for one in caplog.records if "turned away" in one.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith(f"GET {named} was turned away (429): You ask more often")


def test_a_kind_without_a_limit_is_never_held_back(settings):
    settings.THROTTLE = dict.fromkeys(settings.THROTTLE, 0)
    free = Throttle(None)

    async def ask():
        for _ in range(500):
            await free.admit(scope(path="/login/"))

    asyncio.run(ask())


class Slow:
    """Work that stands still until it may go on, and remembers who was let in."""

    def __init__(self):
        self.begun, self.go, self.lock = [], threading.Event(), threading.Lock()

    def of(self, caller):
        def work():
            with self.lock:
                self.begun.append(caller)
            self.go.wait(60)

        return work


def test_beside_others_nobody_has_more_than_one_thread_and_all_come_to_their_turn():
    async def play():
        lane, slow = Lane("turns", 4), Slow()
        greedy = [asyncio.create_task(lane.run(slow.of("greedy"), "greedy")) for _ in range(20)]
        await asyncio.sleep(0.1)
        alone = len(slow.begun)
        others = [asyncio.create_task(lane.run(slow.of(name), name)) for name in ("one", "two")]
        slow.go.set()
        await asyncio.gather(*others)
        place = max(slow.begun.index(name) for name in ("one", "two"))
        await asyncio.gather(*greedy)
        return alone, place, len(slow.begun), lane.taken

    alone, place, all_of_them, left = asyncio.run(play())
    assert alone == 4
    # Behind those that had a thread already and no more than one other turn.
    assert place <= 7
    assert (all_of_them, left) == (22, 0)


def test_one_caller_cannot_fill_the_queue(monkeypatch):
    monkeypatch.setattr(lanes, "WAITING_PER_THREAD", 2)

    async def play():
        lane, slow = Lane("narrow queue", 2), Slow()
        waiting = [asyncio.create_task(lane.run(slow.of("greedy"), "greedy")) for _ in range(5)]
        await asyncio.sleep(0.05)
        with pytest.raises(Refused) as refused:
            await lane.run(slow.of("greedy"), "greedy")
        other = asyncio.create_task(lane.run(slow.of("other"), "other"))
        await asyncio.sleep(0)
        slow.go.set()
        await asyncio.gather(*waiting, other)
        return refused.value, lane.taken

    refused, left = asyncio.run(play())
    assert (refused.status, refused.headers["Retry-After"], left) == (429, "1", 0)


def test_a_turn_that_nobody_waits_for_any_more_is_given_on():
    async def play():
        lane, slow = Lane("given up", 1), Slow()
        first = asyncio.create_task(lane.run(slow.of("a"), "a"))
        await asyncio.sleep(0.05)
        given_up = asyncio.create_task(lane.run(slow.of("b"), "b"))
        last = asyncio.create_task(lane.run(slow.of("c"), "c"))
        await asyncio.sleep(0)
        given_up.cancel()
        slow.go.set()
        await asyncio.gather(first, last)
        await asyncio.sleep(0)
        return slow.begun, lane.taken

    assert asyncio.run(play()) == (["a", "c"], 0)


def test_whoever_is_alone_again_has_more_threads_for_what_waits_already(monkeypatch):
    async def play():
        lane, slow, quick = Lane("alone again", 4), Slow(), Slow()
        quick.go.set()
        await lane.run(quick.of("other"), "other")
        waiting = [asyncio.create_task(lane.run(slow.of("one"), "one")) for _ in range(6)]
        await asyncio.sleep(0.05)
        beside = len(slow.begun)
        monkeypatch.setattr(lanes, "PRESENT_S", -1.0)
        await lane.run(quick.of(lanes.NOBODY))
        await asyncio.sleep(0.05)
        alone = len(slow.begun)
        slow.go.set()
        await asyncio.gather(*waiting)
        return beside, alone, lane.taken

    assert asyncio.run(play()) == (1, 4, 0)
