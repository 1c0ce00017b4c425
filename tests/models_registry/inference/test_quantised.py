"""A graph in 8-bit integers: every convolution is, every processor adds it up alike, and it says nearly what the exact one says."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from models_registry.inference import agreement, graph, quantised
from models_registry.inference.looks import COLOUR, Look
from models_registry.inference.predictor import Predictor
from models_registry.inference.preprocess import Preprocess, shrink
from models_registry.inference.runtimes import Outputs
from tests.models_registry.inference.test_graph import exported, predictor


@pytest.fixture(scope="module")
def made():
    """A committee of two that also looks at the mirror image, its graph, that in integers, and scans."""
    found = predictor(members=2, flip_tta=True)
    tiles = np.random.default_rng(4).integers(0, 256, (24, 256, 256), dtype=np.uint8) // np.arange(1, 25)[:, None, None]
    tiles = tiles.astype(np.uint8)
    exact = exported(found)
    return found, exact, quantised.quantise(exact, shrink(tiles, found.manifest.preprocess.size)), tiles


def weights(data: bytes) -> list[np.ndarray]:
    found = (numpy_helper.to_array(one) for one in onnx.load_from_string(data).graph.initializer)
    return [values for values in found if values.dtype == np.int8 and values.ndim == 4]


def test_all_convolutions_are_in_integers_and_read_their_own_weights(made):
    _, exact, quick, _ = made
    nodes = onnx.load_from_string(quick).graph.node
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert (
        len(weights(quick))
        == len(convolutions)
        == sum(node.op_type == "Conv" for node in onnx.load_from_string(exact).graph.node)
    )
    assert not [node for node in nodes if node.op_type == "BatchNormalization"], "they are inside the convolutions"
    assert len(quick) < 0.7 * len(exact)


def test_no_processor_can_add_it_up_wrongly(made):
    """Without VNNI, `vpmaddubsw` adds two products of uint8 and int8 in 16 bits and cuts off what is more."""
    *_, quick, _ = made
    for values in weights(quick):
        pairs = np.abs(values.reshape(len(values), -1).astype(np.int64))
        assert 255 * (pairs.max(axis=1) * 2).max() <= np.iinfo(np.int16).max
    # All eight bits would be too many, and are refused.
    model = onnx.load_from_string(quick)
    one = next(w for w in model.graph.initializer if w.data_type == TensorProto.INT8 and len(w.dims) == 4)
    full = numpy_helper.to_array(one).copy()
    full.flat[0] = -127
    one.CopyFrom(numpy_helper.from_array(full, one.name))
    with pytest.raises(graph.GraphError, match="add them up wrongly"):
        quantised.require_safe(model)


def test_this_processor_computes_what_the_integers_mean(made):
    """Beside the same graph with nothing fused: there every integer is turned back before it is multiplied."""
    import onnxruntime

    found, _, quick, tiles = made
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(quick, options, providers=["CPUExecutionProvider"])
    small = shrink(tiles, found.manifest.preprocess.size)
    meant = plain.run(["logits", "features"], {"pixels": small})
    said = graph.Graph(quick, found.manifest, threads=2).run(small)
    # Rounded at other places: a step of the last activation here and there.
    for one, other in ((said.logits, meant[0]), (said.features, meant[1])):
        assert np.abs(one - other).max() <= 0.05 * np.abs(other).max()


def test_it_says_nearly_what_the_exact_graph_says(made):
    found, exact, quick, tiles = made
    small = shrink(tiles, found.manifest.preprocess.size)
    one, other = (graph.Graph(data, found.manifest, threads=1).run(small) for data in (exact, quick))
    error = np.linalg.norm(one.features - other.features) / np.linalg.norm(one.features)
    assert 0 < error < 0.1
    assert not graph.parity(graph.Graph(quick, found.manifest, threads=1), found.eager, tiles).holds


def test_the_same_scans_give_the_same_graph_and_none_give_none(made):
    found, exact, quick, tiles = made
    assert quantised.quantise(exact, shrink(tiles, found.manifest.preprocess.size)) == quick
    with pytest.raises(graph.GraphError, match="no training scans"):
        quantised.quantise(exact, tiles[:0])
    with pytest.raises(graph.GraphError, match="could not be turned"):
        quantised.quantise(b"no graph", tiles)


class Wrong:
    """A runtime that answers as another one but for some scans."""

    def __init__(self, runtime, every: int) -> None:
        self.runtime, self.every = runtime, every

    def run(self, tiles):
        said = self.runtime.run(tiles)
        logits = said.logits.copy()
        logits[:: self.every] = -logits[:: self.every]
        return Outputs(logits, said.features)


def test_the_gate_lets_the_same_answers_pass_and_refuses_others(made, monkeypatch):
    found, _, _, tiles = made
    labels = found.predict(tiles).classes
    monkeypatch.setattr(agreement, "_quicker", lambda *_: 2.0)
    same = agreement.compare(found, found, tiles, labels)
    assert (same.same, same.shift, same.logits) == (1.0, 0.0, 0.0)
    other = agreement.compare(found, Predictor(found.bundle, runtime=Wrong(found.eager, 10)), tiles, labels)
    assert other.same < 0.99
    assert "the same class and decision" in other.why_not


def test_what_sees_colours_is_compared_by_them_and_turned_where_it_may_lie_any_way(monkeypatch):
    look = Look(COLOUR)
    found = predictor(preprocess=Preprocess(32, (0.5,) * 3, (0.2,) * 3, 3, look), turned_tta=True)
    pixels = np.random.default_rng(3).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    tiles = np.zeros((24, 256, 256), dtype=np.uint8)
    kinds = []
    real = agreement.views
    monkeypatch.setattr(agreement, "_quicker", lambda *_: 2.0)
    monkeypatch.setattr(agreement, "views", lambda *given: kinds.append(given[3]) or real(*given))
    labels = found.predict(tiles, pixels).classes
    same = agreement.compare(found, found, tiles, labels, pixels)
    assert (same.same, same.scans) == (1.0, 24)
    assert same.pictures == 24 * 9
    assert len(kinds[0]) == len(agreement.kinds_of(mirrored=False)) + 2
    quick = graph.Graph(quantised.quantise(exported(found), pixels), found.manifest, threads=1)
    other = agreement.compare(found, Predictor(found.bundle, runtime=quick), tiles, labels, pixels)
    assert 0 < other.logits < 0.5


def test_of_large_pictures_fewer_are_compared(monkeypatch):
    found = predictor(size=32)
    monkeypatch.setattr(agreement, "_quicker", lambda *_: 2.0)
    monkeypatch.setattr(agreement, "MOST_BYTES", 60 * 256 * 256)
    tiles = np.random.default_rng(3).integers(0, 256, (24, 256, 256), dtype=np.uint8)
    assert agreement.compare(found, found, tiles, found.predict(tiles).classes).pictures == 48


def test_each_reason_to_refuse_is_said():
    good = agreement.Agreement(36, 288, 0.995, 0.001, 0.05, 1.9, 0.14)
    assert good.why_not == ""
    assert "99.5%" in good.sentence and "36 validation scans" in good.sentence
    assert "falls by 0.0030" in replace(good, auroc_drop=0.003).why_not
    assert "cannot be measured" in replace(good, auroc_drop=None).why_not
    assert "move by -0.20" in replace(good, shift=-0.2).why_not
    assert "1.05 times as quick" in replace(good, quick=1.05).why_not
