"""A GPU that grades. There is none here: the processor stands in for it under another name; all but its arithmetic is real."""

import threading

import numpy as np
import pytest

from mediscan_site.core import notices, workers
from mediscan_site.core.models import Notice
from models_registry.inference.pictures import reference_tiles
from models_registry.inference.runtimes import Outputs
from models_registry.models import ModelVersion
from models_registry.versions import accelerating, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def grading(monkeypatch, settings):
    """A process that grades, on a machine with a GPU."""
    monkeypatch.setattr(accelerating, "_allowed", threading.Event())
    monkeypatch.setattr(accelerating, "CUDA", "cpu:0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    settings.GRADE_DEVICE = "auto"
    serving.forget()
    accelerating.allow()
    yield settings
    serving.forget()


@pytest.fixture
def model(make_version):
    return ModelVersion.objects.select_related("bundle", "project").get(pk=make_version().pk)


def sentences() -> list[str]:
    """Of the notices, without the name of the machine."""
    found = Notice.objects.filter(key__startswith=accelerating.NOTICE).values_list("sentence", flat=True)
    return [sentence.partition(": ")[2] for sentence in found]


class Off:
    """A GPU whose answers are not the processor's."""

    def __init__(self, loaded, device):
        self._eager = loaded.eager

    def run(self, tiles):
        said = self._eager.run(tiles)
        return Outputs(said.logits + np.float32(0.01), said.features)


def test_a_gpu_that_gives_the_processors_answers_gives_them(grading, model):
    served = serving.predictor(model)
    assert isinstance(served.runtime, accelerating._Guarded)
    said, expected = served.predict(reference_tiles()), served.eager.run(reference_tiles())
    assert abs(said.logits - expected.logits).max() <= 1e-4
    assert sentences() == []


def test_one_that_says_otherwise_is_not_used_and_administrators_are_told(grading, model, monkeypatch, caplog):
    monkeypatch.setattr(accelerating, "on_device", Off)
    served = serving.predictor(model)
    assert served.runtime is served.eager
    assert sentences() == [
        f"The processor answers for {model.code}, not the GPU: its logits differ by 1.0e-02, its features by 0.0e+00, and "
        "1e-04 is the most."
    ]
    assert "not the GPU" in caplog.text


def test_one_that_cannot_be_loaded_or_fails_later_leaves_the_answers_to_the_processor(grading, model, monkeypatch):
    def broken(loaded, device):
        raise RuntimeError("CUDA error: out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(accelerating, "on_device", broken)
        assert serving.predictor(model).runtime is serving.predictor(model).eager
    assert "out of memory" in sentences()[0]
    serving.forget()
    served = serving.predictor(model)
    monkeypatch.setattr(served.runtime._now, "run", lambda tiles: broken(None, None))
    assert served.predict(reference_tiles()).logits.shape[1] == 2
    assert "has failed" in sentences()[0]


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_without_a_gpu_the_processor_answers_and_who_asked_for_one_is_told(grading, model, monkeypatch, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(accelerating, "CUDA", "cuda")
    grading.GRADE_DEVICE = device
    served = serving.predictor(model)
    assert served.runtime is served.eager
    assert [sentence[:17] for sentence in sentences()] == (["GRADE_DEVICE=cuda"] if device == "cuda" else [])


def test_a_process_that_does_not_grade_leaves_the_gpu_alone(grading, model, monkeypatch):
    monkeypatch.setattr(accelerating, "_allowed", threading.Event())
    assert serving.predictor(model).runtime is serving.predictor(model).eager


def test_a_notice_is_taken_away_by_the_same_version_on_the_same_machine_alone(grading, model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(accelerating, "on_device", Off)
        serving.predictor(model)
    serving.forget()
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another")
        serving.predictor(model)
    assert len(sentences()) == 1
    serving.forget()
    serving.predictor(model)
    assert sentences() == []


def test_notices_of_versions_that_no_longer_serve_and_of_machines_that_are_gone_are_forgotten(grading, model):
    workers.seen("grade@here", ["grade"], 1)
    for key in (f"{accelerating.NOTICE}:{model.pk}@here", "disk:full@gone", "disk:full@here", "mail"):
        notices.put(key, "trouble")
    accelerating.forget()
    workers.forget()
    assert {notice.key for notice in notices.standing()} == {"disk:full@here", "mail"}
