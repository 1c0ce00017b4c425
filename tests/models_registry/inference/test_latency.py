"""The time of one answer, measured on one thread."""

from types import SimpleNamespace

import pytest
import torch

from models_registry.inference import latency
from models_registry.inference.architectures import COMPACT
from models_registry.inference.bundle import pack, unpack
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess
from tests.training.engine.builders import make_manifest
from training.engine.setup import initial_network


class Clock:
    """A predictor whose answers take the seconds of a list, and the clock that says so."""

    manifest = SimpleNamespace(preprocess=Preprocess(64, 0.5, 0.25))

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.now = seconds, 0.0
        self.asked: list[tuple[int, tuple[int, ...]]] = []

    def predict(self, tiles, pixels) -> None:
        assert pixels is None
        self.asked.append((torch.get_num_threads(), tiles.shape))
        self.now += self.seconds[len(self.asked) - 1]

    def process_time(self) -> float:
        return self.now


def test_the_median_counts_and_the_first_answer_does_not(monkeypatch):
    clock = Clock([9.0, 0.03, 0.03, 5.0, 0.02, 0.04, 0.05, 0.01])
    monkeypatch.setattr(latency, "time", clock)
    assert latency.latency_ms(clock) == pytest.approx(30)  # type: ignore[arg-type]
    assert len(clock.asked) == 1 + latency.REPEATS


def test_it_is_one_scan_on_one_thread_and_the_threads_are_given_back():
    before = torch.get_num_threads()
    clock = Clock([0.0] * 8)
    torch.set_num_threads(2)
    try:
        latency.latency_ms(clock)  # type: ignore[arg-type]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(clock.asked) == {(1, (1, 256, 256))}


def test_a_real_bundle_takes_some_time():
    bundle = pack(make_manifest(), initial_network(COMPACT, 2, 0).state_dict())
    assert latency.latency_ms(Predictor(unpack(bundle))) > 0
