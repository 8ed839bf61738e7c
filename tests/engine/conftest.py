"""Small ONNX models with cards, made in a temporary folder."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ModelMaker = Callable[..., Path]


def save_graph(
    path: Path, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], **constants: Any
) -> str:
    """Write a graph of float tensors; returns its sha256."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_model(folder: Path, stem: str = "tiny", role: str | None = "fast", **changes: Any) -> Path:
    """A network that can be computed by hand.

    The encoder gives each sample's mean over the picture. The frame graph's matte is the state of the frame
    before plus the red of the frame times 0.25, plus the sum of the features' red times 0.1, plus the count
    of samples times 0.01; the state's successor is the red times 0.5 at half the size.
    """
    frame_hash = save_graph(
        folder / f"{stem}.onnx",
        [
            helper.make_node("Slice", ["src", "zero", "one", "channel"], ["red"]),
            helper.make_node("Mul", ["red", "quarter"], ["red_part"]),
            helper.make_node("Resize", ["r1i", "", "scale"], ["memory"], mode="nearest"),
            helper.make_node("Slice", ["bgr_mean", "zero", "one", "channel"], ["red_means"]),
            helper.make_node("ReduceSum", ["red_means"], ["red_sum"], keepdims=0),
            helper.make_node("Mul", ["red_sum", "tenth"], ["sample_part"]),
            helper.make_node("Mul", ["bgr_count", "hundredth"], ["count_part"]),
            helper.make_node("Sum", ["red_part", "memory"], ["part1"]),
            helper.make_node("Add", ["part1", "sample_part"], ["part2"]),
            helper.make_node("Add", ["part2", "count_part"], ["pha"]),
            helper.make_node("AveragePool", ["red"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Mul", ["pooled", "half"], ["r1o"]),
        ],
        {"src": [1, 3, "h", "w"], "bgr_mean": ["n", 3], "bgr_count": [1], "r1i": [1, 1, "h2", "w2"]},
        {"pha": [1, 1, "h", "w"], "r1o": [1, 1, "h2", "w2"]},
        zero=np.array([0], np.int64),
        one=np.array([1], np.int64),
        channel=np.array([1], np.int64),
        quarter=np.float32(0.25),
        half=np.float32(0.5),
        tenth=np.float32(0.1),
        hundredth=np.float32(0.01),
        scale=np.array([1, 1, 2, 2], np.float32),
    )
    encoder_hash = save_graph(
        folder / f"{stem}-samples.onnx",
        [helper.make_node("ReduceMean", ["bgr"], ["bgr_mean"], axes=[2, 3], keepdims=0)],
        {"bgr": ["n", 3, "h", "w"]},
        {"bgr_mean": ["n", 3]},
    )
    card = {
        "schema": 1,
        "name": stem,
        "title": "A tiny network",
        "role": role,
        "graph": {"file": f"{stem}.onnx", "sha256": frame_hash},
        "encoder": {"file": f"{stem}-samples.onnx", "sha256": encoder_hash},
        "input": {"area": 64 * 32, "multiple": 16},
        "max_samples": 4,
        "ranges": {"src": [0, 1], "bgr": [0, 1], "pha": [0, 1]},
        "features": [{"name": "bgr_mean", "shape": ["N", 3]}],
        "states": [{"input": "r1i", "output": "r1o", "shape": [1, 1, "H/2", "W/2"]}],
        "foreground": False,
        "licence": "test",
        "training": {"command": "none", "data": [{"name": "none", "licence": "none"}]},
        "quality": [{"set": "none", "metric": "IoU", "value": 0.5}],
    }
    card.update(changes)
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(card))
    return path


@pytest.fixture
def make_model(tmp_path: Path) -> ModelMaker:
    def make(*arguments: Any, **changes: Any) -> Path:
        return write_model(tmp_path, *arguments, **changes)

    return make
