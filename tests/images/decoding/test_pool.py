"""The pool outlives its children, and the children do not outlive the pool."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from images.decoding import DecoderPool, DecoderUnavailableError, Limits, Undecodable, configure, default_pool
from images.decoding.process import Child
from tests.conftest import PATIENCE_S
from tests.images.decoding.conftest import encode, gone, gradient, noise

SMALL = encode(gradient(), "PNG")
LARGE = encode(noise((800, 800), 50), "PNG")  # more than a pipe holds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture
def make():
    made: list[DecoderPool] = []

    def pool(size: int, **limits: int) -> DecoderPool:
        made.append(DecoderPool(Limits(size=size, timeout_s=PATIENCE_S, **limits)))
        return made[-1]

    yield pool
    for one in made:
        one.close()
        assert one.child_pids() == ()


@pytest.fixture
def asked(monkeypatch):
    """Set from the moment on that a file larger than a pipe goes to a child."""
    event, ask = threading.Event(), Child.ask

    def tell(self: Child, options, data: bytes, timeout_s: float):
        if data is LARGE:
            event.set()
        return ask(self, options, data, timeout_s)

    monkeypatch.setattr(Child, "ask", tell)
    return event


@pytest.fixture
def usual_limits():
    before = vars(default_pool().limits)
    yield
    configure(**before)


def test_nothing_is_started_before_the_first_file_and_one_child_serves_many(make):
    pool = make(2)
    assert pool.child_pids() == ()
    pool.decode(SMALL)
    first = pool.child_pids()
    pool.decode(SMALL)
    assert len(first) == 1
    assert pool.child_pids() == first


def test_a_child_is_replaced_after_its_number_of_files(make):
    pool = make(1, max_files=2)
    seen = set()
    for _ in range(4):
        pool.decode(SMALL)
        seen |= set(pool.child_pids())
    assert len(seen) == 2


def test_a_child_killed_between_two_files_is_not_noticed(make):
    pool = make(1)
    pool.decode(SMALL)
    (pid,) = pool.child_pids()
    os.kill(pid, signal.SIGKILL)
    assert pool.decode(SMALL).width == 120
    assert pid not in pool.child_pids()


def test_a_child_killed_in_the_middle_of_a_file_is_replaced_and_the_file_decoded(make, asked):
    pool = make(1)
    pool.decode(SMALL)
    (pid,) = pool.child_pids()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(pool.decode, LARGE)
        assert asked.wait(PATIENCE_S)
        assert not answer.done()
        os.kill(pid, signal.SIGKILL)
        assert answer.result(PATIENCE_S).width == 800
    assert pid not in pool.child_pids()


def test_a_file_that_kills_every_child_is_refused_and_the_pool_goes_on(make, monkeypatch):
    pool = make(1)
    pool.decode(SMALL)
    killed: list[int] = []
    ask = Child.ask

    def deadly(self: Child, options, data: bytes, timeout_s: float):
        if data is LARGE:
            os.kill(self.pid, signal.SIGKILL)
            killed.append(self.pid)
        return ask(self, options, data, timeout_s)

    monkeypatch.setattr(Child, "ask", deadly)
    with pytest.raises(Undecodable) as caught:
        pool.decode(LARGE)
    assert caught.value.code == "decoder_crashed"
    assert len(set(killed)) == 2
    assert pool.decode(SMALL).width == 120


def test_a_file_that_takes_too_long_is_refused_and_the_pool_goes_on(make):
    pool = make(1)
    pool.decode(SMALL)
    (pid,) = pool.child_pids()
    os.kill(pid, signal.SIGSTOP)
    usual = pool.limits
    pool.limits = replace(usual, timeout_s=1)  # for the child that hangs; the others get their time
    start = time.monotonic()
    with pytest.raises(Undecodable) as caught:
        pool.decode(LARGE)
    assert caught.value.code == "decoder_timeout"
    assert 0.9 < time.monotonic() - start < PATIENCE_S / 2
    assert gone(pid)
    pool.limits = usual
    assert pool.decode(SMALL).width == 120


def test_a_child_that_used_up_its_cpu_time_counts_as_a_timeout(make, asked):
    pool = make(1)
    pool.decode(SMALL)
    (pid,) = pool.child_pids()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(pool.decode, LARGE)
        assert asked.wait(PATIENCE_S)
        os.kill(pid, signal.SIGXCPU)
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(Undecodable) as caught:
            answer.result(PATIENCE_S)
    assert caught.value.code == "decoder_timeout"


def test_a_picture_that_needs_too_much_memory_is_refused_and_the_child_lives(make):
    pool = make(1, memory_bytes=400 * 2**20)
    pool.decode(SMALL)
    before = pool.child_pids()
    with pytest.raises(Undecodable) as caught:
        pool.decode(encode(Image.new("RGB", (9900, 9900)), "PNG", compress_level=1))
    assert caught.value.code == "too_large"
    assert "memory" in caught.value.detail
    assert pool.decode(SMALL).width == 120
    assert pool.child_pids() == before


def test_the_largest_picture_allowed_fits_into_the_usual_memory(make):
    pool = make(1)
    assert pool.decode(encode(Image.new("RGBA", (10_000, 10_000)), "PNG", compress_level=1)).width == 10_000


def test_a_decoder_that_cannot_start_says_nothing_about_the_file(make):
    with pytest.raises(DecoderUnavailableError):
        make(1, memory_bytes=2**20).decode(SMALL)


def test_an_exception_in_the_caller_does_not_mix_up_later_answers(make, asked):
    class SoftTimeLimitError(Exception):
        pass

    def ring(*_: object) -> None:
        raise SoftTimeLimitError

    pool = make(1)
    pool.decode(SMALL)
    os.kill(pool.child_pids()[0], signal.SIGSTOP)
    previous, main = signal.signal(signal.SIGALRM, ring), threading.get_ident()

    def interrupt() -> None:
        if asked.wait(PATIENCE_S):
            signal.pthread_kill(main, signal.SIGALRM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(SoftTimeLimitError):
            pool.decode(LARGE)
    finally:
        thread.join()
        signal.signal(signal.SIGALRM, previous)
    assert pool.decode(SMALL).width == 120


def test_many_threads_each_get_their_own_picture(make):
    pool = make(2)
    files = [encode(Image.new("L", (50 + n, 40), n), "PNG") for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(pool.decode, files))
    assert [(one.width, one.tile[0]) for one in answers] == [(50 + n, n) for n in range(40)]
    assert 1 <= len(pool.child_pids()) <= 2


def test_a_child_outlives_the_thread_that_asked_for_it(make):
    pool = make(1)
    thread = threading.Thread(target=pool.decode, args=(SMALL,))
    thread.start()
    thread.join()
    time.sleep(0.1)
    (pid,) = pool.child_pids()
    pool.decode(SMALL)
    assert pool.child_pids() == (pid,)


def test_a_child_has_no_network_no_files_no_core_and_no_secrets(make, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do-not-tell")
    pool = make(1, memory_bytes=2**30)
    pool.decode(SMALL)
    process = Path(f"/proc/{pool.child_pids()[0]}")
    limits = {line[:25].strip(): line[25:].split()[:2] for line in (process / "limits").read_text().splitlines()}
    assert limits["Max open files"] == ["0", "0"], "no descriptor, so no socket and no file"
    assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
    assert limits["Max address space"] == [str(2**30)] * 2
    assert limits["Max cpu time"][0].isdigit()
    assert b"do-not-tell" not in (process / "environ").read_bytes()
    assert not any("socket" in str(fd.readlink()) for fd in (process / "fd").iterdir())


def test_closing_ends_the_children_and_refuses_more(make):
    pool = make(1)
    pool.decode(SMALL)
    (pid,) = pool.child_pids()
    pool.close()
    assert gone(pid)
    with pytest.raises(RuntimeError, match="default_pool"):
        pool.decode(SMALL)


@pytest.mark.usefixtures("usual_limits")
def test_configure_sets_the_limits_of_the_default_pool():
    first = default_pool()
    assert default_pool() is first
    configure(max_pixels=100, timeout_s=500)
    assert (default_pool().limits.max_pixels, default_pool().limits.timeout_s) == (100, 500)
    with pytest.raises(Undecodable) as caught:
        default_pool().decode(SMALL)
    assert caught.value.code == "too_large"


@pytest.mark.usefixtures("usual_limits")
def test_configure_refuses_unknown_names_and_limits_of_nothing():
    with pytest.raises(TypeError, match="max_pixel"):
        configure(max_pixel=100)
    with pytest.raises(ValueError, match="size must be greater than 0"):
        configure(size=0)
