#!/usr/bin/env bash
# OpenVINO 2026.4 adds a row and a column of -3.4e38 to what an ONNX MaxPool with `ceil_mode` gives,
# where the padding ends a window too early.
#
# With ceil_mode a last window may hang over the edge, but one that would begin beyond the picture and
# its first padding is left out (PyTorch's rule, and ONNX's). For a 5 by 5 input, kernel 2, stride 2,
# padding 1 that makes 3 by 3, as ONNX's own reference, its shape inference and ONNX Runtime say.
# OpenVINO counts the window in, finds nothing to take the maximum of, and answers 4 by 4 with the
# lowest float; AveragePool with the same numbers is right. Whatever comes next goes on with that.
# Hit: networks exported from PyTorch with MaxPool2d(2, 2, padding=1, ceil_mode=True) and their like.
# Instead: export with ceil_mode=0 and the padding that gives the windows wanted; and compare a new
# engine's answers with those of the one that was measured.
# Upstream: openvino issue 18731 (2023), closed when pull request 18965 mended it for models that come
# from PyTorch directly; onnx pull request 5741 (2023) mended ONNX.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
} || exit 2
cd "$room"

cat > try.py <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, shape_inference
from onnx.reference import ReferenceEvaluator

INPUT = np.arange(1, 26, dtype="float32").reshape(1, 1, 5, 5)
LOWEST = np.finfo("float32").min


def model(kind, **changed):
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1} | changed
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, INPUT.shape)
    wanted = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, None, None])
    graph = helper.make_graph([node], "pool", [given], [wanted])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def inferred(made):
    shape = shape_inference.infer_shapes(made, strict_mode=True).graph.output[0].type.tensor_type.shape
    return tuple(size.dim_value for size in shape.dim)


def answers(made):
    data = made.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {
        "reference": ReferenceEvaluator(made).run(None, {"x": INPUT})[0],
        "ONNX Runtime": session.run(None, {"x": INPUT})[0],
        "OpenVINO": compiled([INPUT])[0],
    }


print(*(f"{name} {version(name)}" for name in ("openvino", "onnx", "onnxruntime", "numpy")), sep=", ")
print("Expected: three engines give one answer, of the shape that onnx infers.")
CASES = {
    "MaxPool": model("MaxPool"),
    "AveragePool": model("AveragePool"),
    "MaxPool, ceil_mode=0": model("MaxPool", ceil_mode=0),
}
as_known = True
for case, made in CASES.items():
    seen = answers(made)
    for engine, answer in seen.items():
        rows = " | ".join(" ".join(f"{value:g}" for value in line) for line in answer[0, 0])
        print(f"Seen:     {case}, {engine}: {answer.shape[2]} by {answer.shape[3]}: {rows}")
    right, other = seen["reference"], seen["OpenVINO"]
    as_known &= right.shape == inferred(made) and np.array_equal(right, seen["ONNX Runtime"])
    if case == "MaxPool":
        beyond = np.concatenate([other[0, 0, 3, :], other[0, 0, :, 3]]) if other.shape == (1, 1, 4, 4) else np.zeros(1)
        as_known &= bool((beyond == LOWEST).all()) and np.array_equal(other[:, :, :3, :3], right)
    else:
        as_known &= np.array_equal(other, right)
if not as_known:
    sys.exit("CHANGED: the engines differ in another way.")
PY
venv/bin/python try.py
