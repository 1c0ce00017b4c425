"""Whatever lies in the broker, a worker stays up, takes the next message, and an administrator is told."""

import base64
import json
import os
import threading
import uuid
from pathlib import Path

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.conf import settings

from mediscan_site.core import unreadable
from mediscan_site.core.models import Notice
from tests.conftest import PATIENCE_S

QUEUE = "unreadable-test"


def envelope(body: object = "[[7], {}, {}]", *, encoded: str | None = None, **changes: object) -> dict[str, object]:
    """A message as the site writes it, with some of it changed."""
    text = body if isinstance(body, str) else json.dumps(body)
    message = {
        "body": encoded if encoded is not None else base64.b64encode(text.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "unreadable.note", "id": str(uuid.uuid4()), "lang": "py", "argsrepr": "", "kwargsrepr": ""},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    return {name: value for name, value in {**message, **changes}.items() if value != "left out"}


BAD = {
    "empty": b"",
    "cut": json.dumps(envelope()).encode()[:120],
    "not text": bytes(range(256)),
    "a number": b"5",
    "a list": b"[1, 2]",
    "null": b"null",
    "no properties": json.dumps(envelope(properties="left out")).encode(),
    "properties of another kind": json.dumps(envelope(properties=[1])).encode(),
    "no delivery tag": json.dumps(envelope(properties={})).encode(),
    "no headers": json.dumps(envelope(headers="left out")).encode(),
    "headers of another kind": json.dumps(envelope(headers="text")).encode(),
    "body that is no base64": json.dumps(envelope(encoded="%%%")).encode(),
    "body that is no text": json.dumps(envelope(encoded="/////w==")).encode(),
    "body that is no JSON": json.dumps(envelope("{")).encode(),
    "no task, body that is no JSON": json.dumps(envelope("{", headers={})).encode(),
    "no task": json.dumps(envelope({"some": "thing"}, headers={})).encode(),
    "unknown task": json.dumps(envelope(headers={"task": "nobody.knows", "id": "1"})).encode(),
    "unknown task without an id": json.dumps(envelope("{", headers={"task": "nobody.knows"})).encode(),
    "task without an id": json.dumps(envelope(headers={"task": "unreadable.note"})).encode(),
    "task that is no name": json.dumps(envelope(headers={"task": {"a": 1}, "id": "1"})).encode(),
    "foreign content type": json.dumps(envelope(**{"content-type": "application/x-other"})).encode(),
    "forbidden content type": json.dumps(envelope(**{"content-type": "application/x-python-serialize"})).encode(),
    "unknown encoding": json.dumps(envelope(**{"content-encoding": "no-such-thing"})).encode(),
    "arguments of another kind": json.dumps(envelope("5")).encode(),
    "too few arguments": json.dumps(envelope("[[], {}, {}]")).encode(),
}


_called: list[threading.Event] = []


def note(pk: int) -> None:
    if pk == 8:
        _called[-1].set()


def files(tmp_path):
    folder = str(tmp_path)
    options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "/control"}
    Path(options["control_folder"]).mkdir()

    def put(number: int, data: bytes) -> None:
        (tmp_path / f"{number:06d}_x.{QUEUE}.msg").write_bytes(data)

    return "filesystem://localhost", options, put


def redis(tmp_path):
    library = pytest.importorskip("redis")
    url = os.environ.get("CELERY_BROKER_URL", "")
    if not url.startswith("redis"):
        pytest.skip("set CELERY_BROKER_URL to a Redis")
    client = library.Redis.from_url(url)
    client.delete(QUEUE)
    return url, {}, lambda number, data: client.lpush(QUEUE, data)


@pytest.fixture(params=[files, redis])
def worker(request, tmp_path, db, monkeypatch):
    """A worker of an application of its own, with the site's broker and consumer: `put` a message, wait for what is done."""
    url, options, put = request.param(tmp_path)
    # Celery takes it before the address it is given.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    told: list[str] = []
    monkeypatch.setattr(unreadable, "_tell", lambda: told.append(unreadable.WORDS))
    app = Celery("unreadable", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport_options=options,
        task_default_queue=QUEUE,
        worker_consumer=settings.CELERY_WORKER_CONSUMER,
        accept_content=["json"],
        task_acks_late=True,
        worker_hijack_root_logger=False,
    )
    done = threading.Event()
    _called.clear()
    _called.append(done)
    app.task(name="unreadable.note")(note)

    def start():
        return start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=PATIENCE_S)

    return put, start, done, told


def test_a_worker_outlives_every_bad_message(worker, tmp_path):
    put, start, done, told = worker
    for number, data in enumerate(BAD.values()):
        put(number, data)
    put(999, json.dumps(envelope("[[8], {}, {}]")).encode())
    with start():
        assert done.wait(PATIENCE_S / 5), "the worker did not come to the message behind the bad ones"
    aside = list((tmp_path / "unreadable-messages").iterdir())
    assert aside
    assert {path.stat().st_mode & 0o777 for path in aside} == {0o600}
    assert len(told) >= len(aside)


def test_administrators_are_told_until_they_have_looked(db, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    for _ in range(2):
        unreadable.set_aside(b"{", ValueError("what it holds"))
    assert Notice.objects.get().key == unreadable.NOTICE
    unreadable.forget_when_mended()
    assert Notice.objects.exists()
    for path in unreadable.folder().iterdir():
        path.unlink()
    unreadable.forget_when_mended()
    assert not Notice.objects.exists()


def test_the_log_has_no_word_of_a_message(db, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    unreadable.set_aside({"body": "MRN-4711"}, ValueError("MRN-4711"))
    assert "ValueError" in caplog.text
    assert "MRN-4711" not in caplog.text


def test_thousands_of_them_do_not_fill_the_disk(db, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    monkeypatch.setattr(unreadable, "KEPT_FILES", 3)
    monkeypatch.setattr(unreadable, "KEPT_BYTES", 10)
    for _ in range(5):
        unreadable.set_aside(b"x" * 1000, "test")
    assert [path.stat().st_size for path in unreadable.folder().iterdir()] == [10] * 3
