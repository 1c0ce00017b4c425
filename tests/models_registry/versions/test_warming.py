"""A grade worker has what serves in memory before the first grade comes."""

from types import SimpleNamespace

import pytest

from mediscan_site.core import waking
from mediscan_site.core.storage import blobs
from models_registry import tasks
from models_registry.deployments.services import deploy
from models_registry.grades import worker
from models_registry.versions import serving


@pytest.fixture
def sent(monkeypatch):
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(waking, "send_now", lambda task, pk: found.append((task.name, pk)))
    return found


@pytest.mark.django_db
def test_a_deployment_has_the_version_loaded_where_it_will_answer(
    make_version, admin, sent, django_capture_on_commit_callbacks
):
    model = make_version()
    with django_capture_on_commit_callbacks(execute=True):
        deploy(actor=admin, model=model)
    assert ("models_registry.warm", model.pk) in sent
    serving.forget()
    worker.warm_up(model.pk)
    assert list(serving._cache) == [model.bundle_sha256]


@pytest.mark.django_db
def test_a_worker_that_starts_loads_what_serves_and_nothing_else(make_version, admin):
    served, _other = make_version(), make_version(seed=1)
    deploy(actor=admin, model=served)
    serving.forget()
    tasks.warm(0)
    assert list(serving._cache) == [served.bundle_sha256]


@pytest.mark.django_db
def test_a_damaged_bundle_does_not_keep_a_worker_from_starting(deployed, monkeypatch):
    serving.forget()
    monkeypatch.setattr(blobs, "read", lambda blob: b"not what was stored")
    worker.warm_up(0)
    assert not serving._cache


@pytest.mark.django_db
@pytest.mark.parametrize(("queue", "expected"), [("grade", [("models_registry.warm", 0)]), ("train", [])])
def test_only_a_worker_that_grades_asks_for_it(queue, expected, sent, django_capture_on_commit_callbacks):
    consumer = SimpleNamespace(
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={queue: 1})))
    )
    with django_capture_on_commit_callbacks(execute=True):
        tasks.warm_when_ready(consumer)
    assert sent == expected
