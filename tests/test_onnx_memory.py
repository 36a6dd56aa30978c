"""Memory of graphs that can be counted by hand, and of a real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nas_sr.errors import WorkError
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.onnx_memory import Graph, peak_activation_bytes, weight_bytes

IMAGE = 3 * 8 * 8  # elements


def _model(nodes: list[onnx.NodeProto], *weights: tuple[str, np.ndarray], shape: tuple[object, ...] = (1, 3, 8, 8)):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def _convolution(source: str, target: str, weight: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, weight], [target], pads=[1, 1, 1, 1])


def _weight(inputs: int, outputs: int) -> np.ndarray:
    return np.zeros((outputs, inputs, 3, 3), np.float32)


def test_chain_needs_its_largest_neighbours_at_once() -> None:
    model = _model(
        [_convolution("input", "a", "w1"), _convolution("a", "b", "w2"), _convolution("b", "output", "w3")],
        ("w1", _weight(3, 10)),
        ("w2", _weight(10, 4)),
        ("w3", _weight(4, 3)),
    )
    assert peak_activation_bytes(Graph(model, 4)) == 4 * 64 * (10 + 4)
    assert weight_bytes(Graph(model, 4)) == 4 * 9 * (30 + 40 + 12)


def test_what_a_skip_connection_reads_stays_alive_until_then() -> None:
    model = _model(
        [
            _convolution("input", "a", "w1"),
            _convolution("a", "b", "w2"),
            _convolution("b", "c", "w2"),
            helper.make_node("Add", ["a", "c"], ["d"]),
            _convolution("d", "output", "w3"),
        ],
        ("w1", _weight(3, 10)),
        ("w2", _weight(10, 10)),
        ("w3", _weight(10, 3)),
    )
    assert peak_activation_bytes(Graph(model, 4)) == 4 * 64 * 30  # a, b and c; then a, c and d


def test_in_half_precision_image_and_output_stay_as_they_are() -> None:
    model = _model([_convolution("input", "output", "w")], ("w", _weight(3, 3)))
    assert peak_activation_bytes(Graph(model, 2)) == 4 * 2 * IMAGE
    assert weight_bytes(Graph(model, 2)) == 2 * 81
    two = _model(
        [_convolution("input", "a", "w1"), _convolution("a", "output", "w2")],
        ("w1", _weight(3, 10)),
        ("w2", _weight(10, 3)),
    )
    assert peak_activation_bytes(Graph(two, 2)) == 64 * (2 * 10 + 4 * 3)


def test_constant_is_a_weight_and_no_activation() -> None:
    value = numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32))
    nodes = [helper.make_node("Constant", [], ["k"], value=value), helper.make_node("Add", ["input", "k"], ["output"])]
    model = _model(nodes)
    assert peak_activation_bytes(Graph(model, 4)) == 4 * 2 * IMAGE
    assert weight_bytes(Graph(model, 4)) == 12


def test_graph_of_open_size_is_refused() -> None:
    model = _model([_convolution("input", "output", "w")], ("w", _weight(3, 3)), shape=(1, 3, "h", "w"))
    with pytest.raises(WorkError, match="leaves its size open"):
        peak_activation_bytes(Graph(model, 4))


def test_memory_of_a_real_network_lies_between_its_largest_tensor_and_all_of_them(tmp_path: Path) -> None:
    spec = ImdeceptionSpec(core=8, nla_after=(2,))
    export_untrained(spec, tmp_path / "n.onnx", (32, 48))
    model = onnx.load(tmp_path / "n.onnx")
    whole, half = (peak_activation_bytes(Graph(model, size)) for size in (4, 2))
    assert 4 * 48 * 32 * 48 < whole < 4 * 1e6 * counts(spec, 32, 48).activations_m * 3
    assert whole / 2 <= half < whole
    assert weight_bytes(Graph(model, 4)) >= 4 * counts(spec).params
