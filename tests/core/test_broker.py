"""The embedded broker between processes."""

import threading
from pathlib import Path

import pytest
from kombu import Connection

from mediscan_site.celery import app
from mediscan_site.core import broker


@pytest.fixture
def options(tmp_path):
    return {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path / "c")}


def test_the_site_uses_it_for_filesystem_addresses(options):
    assert app.connection("filesystem://localhost", transport_options=options).get_transport_cls() is broker.Transport


def test_a_message_is_never_seen_before_it_is_whole(options, monkeypatch):
    with Connection("filesystem://localhost", transport_options=options) as sender:
        channel, seen = sender.channel(), []
        write = Path.write_bytes

        def look_while_writing(path, data):
            write(path, b"")
            seen.append(channel._size("io"))
            return write(path, data)

        monkeypatch.setattr(Path, "write_bytes", look_while_writing)
        channel._put("io", {"body": "1"})
        assert (seen, channel._size("io")) == ([0], 1)
        assert channel._get("io") == {"body": "1"}


def test_readers_beside_a_writer_get_every_message_once(options):
    found, count, done = [], 300, threading.Event()

    def read():
        with Connection("filesystem://localhost", transport_options=options) as reader:
            channel = reader.channel()
            while True:
                last = done.is_set()
                try:
                    found.append(channel._get("io")["body"])
                except broker.Empty:
                    if last:
                        return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    with Connection("filesystem://localhost", transport_options=options) as sender:
        channel = sender.channel()
        for number in range(count):
            channel._put("io", {"body": number})
    done.set()
    for thread in readers:
        thread.join()
    assert sorted(found) == list(range(count))
