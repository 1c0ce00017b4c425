"""Redis and RabbitMQ over TLS, against real servers: a wrong CA and a wrong name are refused."""

import re
import ssl

import pytest
from amqp.exceptions import PreconditionFailed
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from mediscan_site import rabbitmq as quorum
from mediscan_site import tls
from tests.site.tls.servers import PASSWORD, RIGHT, WRONG


@pytest.fixture(params=["rediss", "amqps"])
def scheme(request):
    return request.param


@pytest.fixture
def server(scheme, request):
    return request.getfixturevalue("redis" if scheme == "rediss" else "rabbitmq")


def address(scheme, port, host=RIGHT, **options) -> str:
    user, path = {"rediss": ("", "/0"), "amqps": ("u", "//")}[scheme]
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{scheme}://{user}:{PASSWORD}@{host}:{port}{path}" + (f"?{query}" if query else "")


def sent_and_received(url: str) -> object:
    """One message through the broker, with Celery set up as the site sets it up."""
    bare, options = tls.broker(url)
    app = Celery("test", broker=bare, broker_use_ssl=options, broker_transport_options={"socket_timeout": 20})
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, errback=None, timeout=20)
        with connection.SimpleQueue("tls") as queue:
            queue.put({"key": 7})
            message = queue.get(timeout=20)
            message.ack()
            return message.payload


def refused(url: str) -> bool:
    with pytest.raises(Exception, match=r"(?i)certificate|hostname|IP address mismatch"):
        sent_and_received(url)
    return True


def test_the_server_is_known_by_its_ca_and_its_name(scheme, server):
    papers, port = server
    assert sent_and_received(address(scheme, port, ssl_ca_certs=papers.ca)) == {"key": 7}
    assert refused(address(scheme, port, ssl_ca_certs=papers.other_ca))
    assert refused(address(scheme, port, WRONG, ssl_ca_certs=papers.ca))


def test_without_a_ca_those_that_this_machine_trusts_are_asked(scheme, server, monkeypatch):
    papers, port = server
    assert refused(address(scheme, port))
    monkeypatch.setenv("SSL_CERT_FILE", str(papers.ca))
    assert sent_and_received(address(scheme, port)) == {"key": 7}


def test_a_server_may_be_taken_unchecked_only_in_so_many_words(scheme, server):
    assert sent_and_received(address(scheme, server[1], ssl_cert_reqs="none")) == {"key": 7}


def at_rabbitmq(url: str) -> Celery:
    bare, options = tls.broker(url)
    return Celery("test", broker=bare, broker_use_ssl=options, task_queues=quorum.queues(bare), set_as_current=False)


def test_the_queues_of_the_site_are_quorum_queues(rabbitmq):
    papers, port = rabbitmq
    app = at_rabbitmq(address("amqps", port, ssl_ca_certs=papers.ca))

    @app.task(name="test.wake", queue="train")
    def wake(pk: int) -> None:
        """Nobody does it."""

    wake.apply_async(args=(7,), retry=False)
    with app.connection_for_read() as connection, connection.SimpleQueue(app.amqp.queues["train"]) as queue:
        message = queue.get(timeout=20)
        assert message.payload[0] == [7]
        message.ack()


def test_a_queue_of_another_kind_is_told_with_what_to_do(rabbitmq):
    papers, port = rabbitmq
    app = at_rabbitmq(address("amqps", port, ssl_ca_certs=papers.ca))
    with app.connection_for_write() as connection, connection.channel() as channel:
        channel.queue_delete("io")
        Queue("io", Exchange("io"), routing_key="io")(channel).declare()
    try:
        with app.connection_for_write() as connection, pytest.raises(PreconditionFailed) as refused:
            quorum.require_our_kind(connection)
        assert quorum.of_another_kind(refused.value)
        assert "queue 'io'" in quorum.remedy(refused.value)
    finally:
        with app.connection_for_write() as connection, connection.channel() as channel:
            channel.queue_delete("io")
    with app.connection_for_write() as connection:
        quorum.require_our_kind(connection)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("rediss://h/0?ssl_ca_certs=/none.pem", "ssl_ca_certs=/none.pem cannot be read"),
        ("rediss://h/0?ssl_ca=/etc/hosts", "ssl_ca is not known"),
        ("rediss://h/0?ssl_check_hostname=false", "ssl_check_hostname is not known"),
        ("rediss://h/0?ssl_cert_reqs=optional", "must be required, or left out"),
        ("amqps://h//?ssl_cert_reqs=none&ssl_ca_certs=/etc/hosts", "must be required, or left out"),
        ("amqps://h//?ssl_certfile=/etc/hosts", "must be given together"),
        ("redis://h/0?ssl_ca_certs=/etc/hosts", "must start with rediss:// or amqps://"),
        ("amqp://h//?ssl_ca_certs=/etc/hosts", "must start with rediss:// or amqps://"),
    ],
)
def test_what_cannot_be_checked_stops_the_start_with_its_remedy(url, remedy):
    with pytest.raises(ImproperlyConfigured, match=re.escape(remedy)):
        tls.broker(url)


def test_other_options_of_an_address_stay_in_it():
    url, options = tls.broker("rediss://:p%40w@h:6380/1?virtual_host=a&ssl_cert_reqs=CERT_REQUIRED")
    assert url == "rediss://:p%40w@h:6380/1?virtual_host=a"
    assert options == {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    assert tls.broker("filesystem://localhost") == ("filesystem://localhost", None)
