from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.measure.onnx_export import ExportError, export_onnx

SMALL = ImdeceptionSpec(core=4, gidbs=3, depth=2, nla_after=(1,))


def _run(path, height, width):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).random((1, 3, height, width), dtype=np.float32)
    return image, session.run(["output"], {"input": image})[0]


@pytest.mark.parametrize("size", [(96, 96), (16, 24), (33, 47), (1, 1)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_file_computes_what_the_network_does(tmp_path, size, dynamic):
    network = Network(SMALL)
    path = tmp_path / "n.onnx"
    export_onnx(network, path, None if dynamic else size)
    image, found = _run(path, *size)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    assert found.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert np.abs(found - expected).max() < 1e-4


def test_file_is_what_the_ecosystem_expects(tmp_path):
    export_onnx(Network(SMALL), tmp_path / "n.onnx")
    model = onnx.load(tmp_path / "n.onnx")
    (taken,), (given,) = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("input", "output")
    assert [dimension.dim_value for dimension in taken.type.tensor_type.shape.dim] == [1, 3, 0, 0]
    assert taken.type.tensor_type.elem_type == given.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [opset.version for opset in model.opset_import if opset.domain == ""] == [17]
    assert {"Split", "DepthToSpace"} <= {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("size", [None, (40, 56)])
def test_weights_do_not_change_the_graph(tmp_path, size):
    """So a latency belongs to the spec, and an untrained network may be timed for a trained one."""
    shapes = []
    for name, network in [("interpolator", build(SMALL, seed=0)), ("default", Network(SMALL))]:
        export_onnx(network, tmp_path / name, size)
        graph = onnx.load(tmp_path / name).graph
        nodes = [(node.op_type, list(node.input), list(node.output)) for node in graph.node]
        shapes.append((nodes, [(each.name, list(each.dims)) for each in graph.initializer]))
    assert shapes[0] == shapes[1]


def test_export_leaves_the_network_as_it_was_and_warns_of_nothing(tmp_path):
    network = Network(SMALL).train().double()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(network, tmp_path / "n.onnx", (8, 8))
    assert network.training
    assert network.head.weight.dtype == torch.float64


def test_older_opset_for_older_tensorrt(tmp_path):
    export_onnx(Network(SMALL), tmp_path / "n.onnx", opset=13)
    assert onnx.load(tmp_path / "n.onnx").opset_import[0].version == 13


def test_impossible_opset_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ExportError, match="opset 99"):
        export_onnx(Network(SMALL), tmp_path / "n.onnx", opset=99)
    assert list(tmp_path.iterdir()) == []


class _SizeDependent(nn.Module):
    def forward(self, x):
        return x * (2 if x.shape[2] > 32 else 1)


def test_graph_that_holds_for_the_traced_size_only_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"at \d+x\d+ the ONNX file differs from PyTorch by"):
        export_onnx(_SizeDependent(), tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []
