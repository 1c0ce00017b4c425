"""Who waits is told by the kernel, and looks by itself where the kernel does not tell."""

import threading
import time

import pytest
from kombu import Connection

from mediscan_site.core import bell, broker
from mediscan_site.core.bell import Bell, touch
from tests.conftest import PATIENCE_S


def heard(wait) -> threading.Thread:
    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_touched_file_ends_the_wait(tmp_path):
    path = tmp_path / "answers"
    touch(path)
    waiting = Bell(path)
    thread = heard(lambda: waiting.wait(PATIENCE_S))
    touch(path)
    thread.join(PATIENCE_S / 2)
    assert not thread.is_alive()
    waiting.close()


def test_what_rang_before_the_wait_is_heard_and_then_it_is_quiet(tmp_path):
    path = tmp_path / "answers"
    touch(path)
    waiting = Bell(path)
    touch(path)
    began = time.monotonic()
    waiting.wait(PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S / 2
    waiting.quiet()
    waiting.wait(0.01)
    waiting.close()


def test_another_thread_ends_the_wait(tmp_path):
    waiting = Bell(tmp_path)
    thread = heard(lambda: waiting.wait(PATIENCE_S))
    waiting.rouse()
    thread.join(PATIENCE_S / 2)
    assert not thread.is_alive()
    waiting.close()


def test_without_the_kernels_help_the_wait_is_as_long_as_it_was_said(tmp_path, monkeypatch, caplog):
    def full(**_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(bell, "INotify", full)
    waiting = Bell(tmp_path)
    assert waiting.fileno() is None
    waiting.wait(0.01)
    waiting.rouse()
    waiting.wait(PATIENCE_S)
    assert "new work is found by looking" in caplog.text
    waiting.close()


@pytest.fixture
def options(tmp_path):
    # So long between looks that a message that is found was told of.
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path / "c")}
    return {**folders, "polling_interval": PATIENCE_S}


def test_a_worker_takes_a_message_when_it_comes_and_the_next_when_it_is_done_with_one(options):
    found = []
    with Connection("filesystem://localhost", transport_options=options) as reader:
        channel = reader.channel()
        channel.basic_qos(0, 1, False)
        queue_name = "grade"
        channel.queue_declare(queue_name)
        arrived = threading.Event()

        def take(message):
            found.append(message)
            arrived.set()

        channel.basic_consume(queue_name, no_ack=False, callback=take, consumer_tag="one")
        ended = threading.Event()

        def drain():
            while not ended.is_set():
                try:
                    reader.drain_events(timeout=PATIENCE_S)
                except TimeoutError:
                    return

        thread = heard(drain)
        try:
            with Connection("filesystem://localhost", transport_options=options) as sender:
                sending = sender.channel()
                for number in range(2):
                    message = sending.prepare_message(str(number), properties={"delivery_mode": 2})
                    message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue_name}
                    message["properties"]["delivery_tag"] = f"tag{number}"
                    sending._put(queue_name, message)
            assert arrived.wait(PATIENCE_S / 2)
            assert len(found) == 1
            arrived.clear()
            channel.basic_ack(found[0].delivery_tag)
            assert arrived.wait(PATIENCE_S / 2)
            assert len(found) == 2
        finally:
            ended.set()
            channel.basic_ack(found[-1].delivery_tag)
            reader.transport.rouse()
            assert isinstance(reader.transport, broker.Transport)
            with Connection("filesystem://localhost", transport_options=options) as sender:
                last = sender.channel()
                message = last.prepare_message("end", properties={"delivery_mode": 2})
                message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue_name}
                message["properties"]["delivery_tag"] = "end"
                last._put(queue_name, message)
            thread.join(PATIENCE_S / 2)
