"""An exported graph with its convolutions in 8-bit integers: about twice as quick, and nearly the same answers.

Nearly is not enough by itself: `agreement.py` compares what the two say of scans before one may serve.

Weights are int8 with one scale for each channel and use seven of the eight bits (`reduce_range`), activations are uint8. That is
what every x86-64 processor computes alike: without VNNI two products are added in 16 bits, `vpmaddubsw`, and 255 * 128 twice is
more than these hold. It is cut off there without a word; 255 * 64 twice fits. `require_safe` holds it. The heads, and what
comes before the first convolution, stay in single precision.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .graph import PIXELS, GraphError
from .preprocess import Pixels
from .runtimes import batch_for

# What is computed in integers; what only moves or compares values goes along, so that nothing turns back and forth.
OPERATIONS: Final = ("Conv", "Add", "MaxPool", "Relu")
CALIBRATING_BATCH: Final = 8
# The most of a weight's size: twice the largest activation (255) times it must fit into 16 bits with their sign.
MOST_WEIGHT: Final = (2**15 - 1) // (2 * 255)
_LOWEST, _HIGHEST = "#lowest", "#highest"


def quantise(data: bytes, pixels: Pixels) -> bytes:
    """The graph of `graph.export` in integers. `pixels`: training scans as the graph takes them; the ranges of all activations
    are those that they have. Nothing is written to disk. The same for the same input. GraphError when it cannot be done."""
    if not len(pixels):
        raise GraphError("there are no training scans left that could tell how large its activations get")
    try:
        model = onnx.shape_inference.infer_shapes(_folded(onnx.load_from_string(data)))
        made = _quantised(model, _ranges(model, pixels))
    except Exception as error:
        raise GraphError(f"its networks could not be turned into 8-bit integers ({type(error).__name__})") from error
    require_safe(made)
    return bytes(made.SerializeToString())


def require_safe(model: ModelProto) -> None:
    """GraphError for weights that some processor would add up wrongly, and where nothing was turned into integers."""
    weights = [numpy_helper.to_array(one) for one in model.graph.initializer if one.data_type == TensorProto.INT8]
    largest = [int(np.abs(values.astype(np.int64)).max()) for values in weights if values.ndim > 1]
    if not largest:
        raise GraphError("no weight of it is in integers")
    if max(largest) > MOST_WEIGHT:
        raise GraphError(f"it has weights of {max(largest)}; above {MOST_WEIGHT} older processors add them up wrongly")


def _folded(model: ModelProto) -> ModelProto:
    """Every convolution with weights of its own, and the normalisation behind it inside them: where several poses of a
    scan go through the same weights, neither has been done, and integers then gain nothing."""
    known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    readers = Counter(name for node in model.graph.node for name in node.input)
    behind = {node.input[0]: node for node in model.graph.node if node.op_type == "BatchNormalization"}
    for conv in [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in known]:
        weight = known[conv.input[1]].astype(np.float64)
        bias = known[conv.input[2]].astype(np.float64) if len(conv.input) > 2 else np.zeros(len(weight))
        norm = behind.get(conv.output[0])
        if norm is not None and readers[conv.output[0]] == 1:
            scale, shift, mean, variance = (known[name].astype(np.float64) for name in norm.input[1:5])
            epsilon = next((one.f for one in norm.attribute if one.name == "epsilon"), 1e-5)
            factor = scale / np.sqrt(variance + epsilon)
            weight, bias = weight * factor[:, None, None, None], shift + (bias - mean) * factor
            conv.output[0] = norm.output[0]
            model.graph.node.remove(norm)
        own = {f"{conv.name}#weight": weight, f"{conv.name}#bias": bias}
        model.graph.initializer.extend(numpy_helper.from_array(x.astype(np.float32), name) for name, x in own.items())
        conv.input[:] = [conv.input[0], *own]
    read = {name for node in model.graph.node for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def _quantised(model: ModelProto, ranges: dict[str, tuple[Any, Any]]) -> ModelProto:
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    metadata = {entry.key: entry.value for entry in model.metadata_props}
    with _quiet():
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=[],
            op_types_to_quantize=list(OPERATIONS),
            extra_options={},
        )
        quantizer.quantize_model()
    made: ModelProto = quantizer.model.model
    del made.metadata_props[:]
    helper.set_model_props(made, {**metadata, "precision": "int8"})
    return made


def _ranges(model: ModelProto, pixels: Pixels) -> dict[str, tuple[Any, Any]]:
    """The least and the largest value of every activation that a quantised operation reads or gives, over all these scans."""
    import onnxruntime

    names = _activations(model)
    told = ModelProto()
    told.CopyFrom(model)
    for name in names:
        told.graph.node.extend([_extreme("ReduceMin", name, _LOWEST), _extreme("ReduceMax", name, _HIGHEST)])
    ends = [name + end for name in names for end in (_LOWEST, _HIGHEST)]
    told.graph.output.extend(helper.make_tensor_value_info(end, TensorProto.FLOAT, []) for end in ends)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # All activations of a batch are in memory at once, to be looked at.
    size = min(CALIBRATING_BATCH, batch_for(pixels.shape[1]))
    rows = [
        session.run(ends, {PIXELS: np.ascontiguousarray(pixels[start : start + size])})
        for start in range(0, len(pixels), size)
    ]
    found = np.asarray(rows, dtype=np.float32).reshape(len(rows), len(names), 2)
    lowest, highest = found[:, :, 0].min(axis=0), found[:, :, 1].max(axis=0)
    return {name: (lowest[place], highest[place]) for place, name in enumerate(names)}


def _extreme(operation: str, name: str, end: str) -> NodeProto:
    return helper.make_node(operation, [name], [name + end], keepdims=0)


def _activations(model: ModelProto) -> Sequence[str]:
    """Single-precision values between the nodes, in the graph's order."""
    weights = {one.name for one in model.graph.initializer}
    single = {
        info.name for info in model.graph.value_info if info.type.tensor_type.elem_type == TensorProto.FLOAT
    } - weights
    found = dict.fromkeys(
        name for node in model.graph.node if node.op_type in OPERATIONS for name in (*node.input, *node.output)
    )
    return [name for name in found if name in single]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser reports its steps through the root logger."""
    told = logging.getLogger()
    before = told.level
    told.setLevel(logging.ERROR)
    try:
        yield
    finally:
        told.setLevel(before)
