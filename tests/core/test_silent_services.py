"""A broker or an object store that answers nothing holds nobody for long; neither does it break what was asked for."""

import time
from pathlib import Path

import pytest
from celery import Celery
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import override_settings

from mediscan_site import connections, patience
from mediscan_site.core import waking
from mediscan_site.core.errors import translate
from tests.core.silence import bare_socket

# Without bounds these wait for minutes, or for ever.
LONG_S = 40.0


@pytest.fixture(autouse=True)
def of_a_web_process(monkeypatch):
    monkeypatch.setenv(patience.ROLE, patience.WEB)
    # Celery takes it before the address that an application is given.
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    monkeypatch.setattr(waking.broker, "away_until", 0.0)


def a_task(url: str):
    """A task of an application whose broker is at this address, as the site configures it."""
    app = Celery("silent", broker=url, set_as_current=False)
    app.conf.broker_transport_options = patience.broker(url, connections.broker_options(url, Path("unused")))
    app.conf.broker_connection_timeout = patience.broker_wait()

    @app.task(name="silent.wake")
    def wake(pk: int) -> None:
        """Nobody takes it."""

    return wake


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_wake_up_does_not_wait_for_a_silent_broker(scheme, caplog):
    with bare_socket() as port:
        started = time.monotonic()
        waking.send_now(a_task(f"{scheme}://u:p@127.0.0.1:{port}/0"), 7)
    assert time.monotonic() - started < LONG_S
    assert "7 waits for the sweeper" in caplog.text


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_nor_for_one_that_is_not_there(scheme, caplog):
    waking.send_now(a_task(f"{scheme}://u:p@127.0.0.1:9/0"), 7)
    assert "7 waits for the sweeper" in caplog.text


class Away:
    """A task whose broker is away."""

    name = "test.away"
    asked = 0

    def apply_async(self, **options: object) -> None:
        self.asked += 1
        raise ConnectionRefusedError


def test_while_the_broker_is_away_the_next_wake_ups_do_not_ask_it(monkeypatch):
    task = Away()
    for pk in range(5):
        waking.send_now(task, pk)  # type: ignore[arg-type]
    assert task.asked == 1
    monkeypatch.setattr(waking.broker, "away_until", time.monotonic() - 1)
    waking.send_now(task, 5)  # type: ignore[arg-type]
    assert task.asked == 2


def test_a_silent_object_store_is_given_up_and_said_so(monkeypatch):
    monkeypatch.setattr(patience, "STORE_CONNECT_S", 1)
    monkeypatch.setattr(patience, "STORE_ANSWER_S", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with bare_socket() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        options = connections.blob_storage("s3://scans", Path("unused"), Path("/nowhere"))
        started = time.monotonic()
        with override_settings(STORAGES={"blobs": options}), pytest.raises(Exception) as caught:
            storages["blobs"].save("a", ContentFile(b"x"))
    assert time.monotonic() - started < LONG_S
    refusal = translate(caught.value)
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "unavailable", 5)
