"""A version is served by its exported graph, which is made once, kept encrypted and signed, and trusted only as it was made."""

import logging

import pytest
from django.urls import reverse

from mediscan_site.core import work
from mediscan_site.core.errors import Conflict, Forbidden
from mediscan_site.core.models import AuditEvent, Blob
from mediscan_site.core.storage import blobs
from models_registry.deployments.services import deploy
from models_registry.inference import graph
from models_registry.inference.pictures import reference_tiles
from models_registry.models import ModelGraph, ModelVersion
from models_registry.versions import exporting, graphs, serving

pytestmark = pytest.mark.django_db


def fresh(model) -> ModelVersion:
    return ModelVersion.objects.select_related("bundle", "graph__blob", "project").get(pk=model.pk)


@pytest.fixture
def asked(monkeypatch):
    """The names of the tasks that were sent."""
    found: list[str] = []
    monkeypatch.setattr(work, "send_named", lambda name, pk: found.append(name))
    return found


@pytest.fixture
def with_graph(make_version):
    model = make_version()
    exporting.make_missing(model.pk)
    serving.forget()
    return fresh(model)


def test_a_version_with_a_graph_is_served_by_it_and_says_the_same(with_graph):
    row = with_graph.graph
    assert row.logits_difference <= 1e-4
    served = serving.predictor(with_graph)
    assert served.has_graph
    found, expected = served.predict(reference_tiles()), served.eager.run(reference_tiles())
    assert abs(found.logits - expected.logits).max() <= 1e-4
    assert graphs.sentence(with_graph).startswith("ONNX Runtime serves it")


def test_the_graph_lies_encrypted(with_graph):
    from django.core.files.storage import storages

    row = with_graph.graph
    stored = storages["blobs"].open(row.blob.path).read()
    assert b"pixels" not in stored
    assert b"pixels" in blobs.read(row.blob)


def test_an_older_version_is_served_by_pytorch_and_its_graph_is_asked_for(make_version, asked, caplog):
    model = make_version()
    asked.clear()
    with caplog.at_level(logging.WARNING):
        assert not serving.predictor(fresh(model)).has_graph
    assert asked == [graphs.MAKE]
    assert "PyTorch serves" in caplog.text
    assert graphs.sentence(fresh(model)).startswith("PyTorch serves it")
    exporting.make_missing(model.pk)
    assert asked == [graphs.MAKE, serving.WARM]
    assert serving.predictor(fresh(model)).has_graph


def test_a_graph_is_made_once(with_graph):
    objects, made_at = Blob.objects.count(), with_graph.graph.made_at
    exporting.make_missing(with_graph.pk)
    assert (Blob.objects.count(), fresh(with_graph).graph.made_at) == (objects, made_at)


def test_a_graph_that_answers_otherwise_is_not_kept_and_the_row_says_why(make_version, monkeypatch, client, admin):
    monkeypatch.setattr(graph, "parity", lambda *_: graph.Parity(3e-3, 0.0))
    model = make_version()
    exporting.make_missing(model.pk)
    row = fresh(model).graph
    assert (row.blob, row.sha256) == (None, "")
    assert "differ from PyTorch's by 3.0e-03" in row.note
    assert not serving.predictor(fresh(model)).has_graph
    client.force_login(admin)
    page = client.get(reverse("model", args=[model.pk])).content.decode()
    assert "PyTorch serves it, more slowly" in page
    assert "3.0e-03" in page


@pytest.mark.parametrize("how", ["another graph", "another signature", "damage"])
def test_a_graph_that_is_not_the_one_that_was_signed_never_runs(with_graph, how, asked, caplog):
    row = with_graph.graph
    if how == "another graph":
        ModelGraph.objects.update(sha256="0" * 64)
    elif how == "another signature":
        ModelGraph.objects.update(signature=row.signature[::-1])
    else:
        from django.core.files.storage import storages

        with open(storages["blobs"].path(row.blob.path), "r+b") as file:  # noqa: PTH123
            file.seek(2000)
            file.write(b"damage")
    assert not serving.predictor(fresh(with_graph)).has_graph
    assert "is made anew, PyTorch serves until then" in caplog.text
    assert asked == [graphs.MAKE]
    assert not ModelGraph.objects.exists()
    # The next attempt makes a sound one.
    exporting.make_missing(with_graph.pk)
    serving.forget()
    assert serving.predictor(fresh(with_graph)).has_graph


def test_readiness_names_what_pytorch_serves(make_version, admin, client):
    model = make_version()
    deploy(actor=admin, model=model)
    assert client.get("/readyz").json()["parts"]["graph"] == "PyTorch serves"
    exporting.make_missing(model.pk)
    assert client.get("/readyz").json()["parts"]["graph"] == "ok"


def test_whoever_may_deploy_fetches_the_file_and_that_is_audited(with_graph, api, admin):
    answer = api(admin).get(f"/api/v1/models/{with_graph.pk}/graph/")
    assert answer.status_code == 200
    data = b"".join(answer.streaming_content)
    assert graph.digest(data) == with_graph.graph.sha256
    assert f"{with_graph.code}.onnx" in answer["Content-Disposition"]
    event = AuditEvent.objects.get(action="model.export")
    assert (event.actor, event.details["sha256"]) == (admin, with_graph.graph.sha256)


def test_others_do_not_fetch_it_and_without_one_the_answer_says_why(with_graph, make_version, author, admin):
    with pytest.raises(Forbidden):
        graphs.open_graph(actor=author, model=with_graph)
    with pytest.raises(Conflict) as refusal:
        graphs.open_graph(actor=admin, model=fresh(make_version(seed=1)))
    assert refusal.value.code == "no_graph"
    assert not AuditEvent.objects.filter(action="model.export").exists()
