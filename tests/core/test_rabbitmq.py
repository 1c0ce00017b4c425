"""RabbitMQ's queues; with a real server in tests/site/tls/test_brokers.py."""

import logging

import pytest
from amqp.exceptions import PreconditionFailed
from redis.exceptions import ResponseError

from mediscan_site import env, rabbitmq
from mediscan_site.celery import app
from mediscan_site.core import waking


def test_rabbitmq_gets_quorum_queues_and_others_what_they_have():
    queues = rabbitmq.queues("amqps://u:p@h:5671//")
    assert [(queue.name, queue.routing_key) for queue in queues] == [(name, name) for name in rabbitmq.QUEUES]
    assert {queue.queue_arguments["x-queue-type"] for queue in queues} == {"quorum"}
    assert rabbitmq.queues("redis://h/0") is rabbitmq.queues("filesystem://localhost") is None


def test_each_task_goes_into_one_of_the_queues():
    # Not `current_app`: a worker that another test has started leaves its own application there.
    app.loader.import_default_modules()
    tasks = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert {getattr(task, "queue", None) or app.conf.task_default_queue for task in tasks} == set(rabbitmq.QUEUES)


def other_kind() -> PreconditionFailed:
    text = "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'io' in vhost '/'"
    return PreconditionFailed(text, (50, 10), "Queue.declare")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (other_kind(), "delete_queue NAME, for io, grade, train"),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "OOM"),
    ],
)
def test_a_broker_that_refuses_a_wake_up_breaks_no_request(refusal, words, monkeypatch, caplog):
    class Refused:
        name = "test.refused"

        def apply_async(self, **_options: object) -> None:
            raise refusal

    monkeypatch.setattr(waking.broker, "away_until", 0.0)
    with caplog.at_level(logging.WARNING):
        waking.send_now(Refused(), 7)  # type: ignore[arg-type]
    assert "7 waits for the sweeper" in caplog.text
    assert words in caplog.text


def test_only_a_queue_of_another_kind_is_taken_for_one():
    assert rabbitmq.of_another_kind(other_kind())
    assert not rabbitmq.of_another_kind(
        PreconditionFailed("delivery acknowledgement on channel 1 timed out", (0, 0), "")
    )
    assert not rabbitmq.of_another_kind(OSError("inequivalent arg"))


def test_what_beat_sends_to_another_machine_is_not_useless_by_its_clock():
    schedule = {"a": env.every(1, "a", expires=5), "b": env.every(60, "b")}
    kept = env.on_several_machines(schedule)
    assert kept["a"]["options"]["expires"] == 5 + env.CLOCKS_APART_S
    assert "expires" not in kept["b"]["options"]
