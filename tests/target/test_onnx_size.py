from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nas_sr.arch.network import Network
from nas_sr.arch.spec import ArchSpec
from nas_sr.latency.onnx_export import export_onnx
from nas_sr.target.failure import Failure
from nas_sr.target.onnx_size import fixed_size


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with attention, of open size."""
    path = tmp_path_factory.mktemp("onnx") / "open.onnx"
    export_onnx(Network(ArchSpec(core=4, gidbs=2, depth=2, head=8, nla_after=(1,))), path)
    return path


def test_file_of_fixed_size_computes_the_same(exported):
    fixed = fixed_size(exported.read_bytes(), (1, 3, 33, 47))
    image = np.random.default_rng(0).random((1, 3, 33, 47), dtype=np.float32)
    results = []
    for model in (exported.read_bytes(), fixed):
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        results.append(session.run(None, {"input": image})[0])
    assert session.get_inputs()[0].shape == [1, 3, 33, 47]
    assert np.array_equal(*results)


def test_only_the_inputs_size_changes(exported):
    model = onnx.load(exported)
    fixed = onnx.load_from_string(fixed_size(exported.read_bytes(), (1, 3, 256, 512)))
    model.graph.input[0].CopyFrom(fixed.graph.input[0])
    assert fixed == model


@given(height=st.integers(1, 100_000), width=st.integers(1, 100_000), weights=st.integers(0, 300), listed=st.booleans())
def test_any_size_and_any_weights(height, width, weights, listed):
    """Weights of older files are listed among the inputs; their bytes may look like anything."""
    initializer = numpy_helper.from_array(np.arange(weights, dtype=np.uint8), "image of another")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])]
    if listed:
        inputs.insert(0, helper.make_tensor_value_info(initializer.name, TensorProto.UINT8, [weights]))
    graph = helper.make_graph([], "g", inputs, [], [initializer])
    model = helper.make_model(graph, producer_name="any", ir_version=3)
    fixed = onnx.load_from_string(fixed_size(model.SerializeToString(), (1, 3, height, width)))
    shape = fixed.graph.input[-1].type.tensor_type.shape
    assert [dimension.dim_value for dimension in shape.dim] == [1, 3, height, width]
    assert fixed.graph.initializer[0] == initializer
    assert fixed.producer_name == "any"


def _with_inputs(*shapes: list) -> bytes:
    inputs = [helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, each) for index, each in enumerate(shapes)]
    return helper.make_model(helper.make_graph([], "g", inputs, [])).SerializeToString()


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (_with_inputs([1, 3, 9, 12]), r"takes \[1, 3, 9, 12\], but \[1, 3, 8, 12\] is measured"),
        (_with_inputs([1, 1, "h", "w"]), r"takes \[1, 1, -1, -1\], but"),
        (_with_inputs([1, 3, 8, 12], [1]), "must have one input of four dimensions"),
        (_with_inputs([3, 8, 12]), "must have one input of four dimensions"),
        (_with_inputs(), "must have one input of four dimensions"),
        (b"", "not an ONNX file"),
        (b"PK\x03\x04 something else", "not an ONNX file"),
    ],
)
def test_network_that_cannot_be_measured_at_this_size_is_refused(model, text):
    with pytest.raises(Failure, match=text) as caught:
        fixed_size(model, (1, 3, 8, 12))
    assert caught.value.kind == "candidate"


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_left_alone_but_never_crashes(content):
    with suppress(Failure):
        assert isinstance(fixed_size(content, (1, 3, 8, 12)), bytes)


@given(data=st.data())
def test_file_cut_short_is_refused(exported, data):
    content = exported.read_bytes()
    # Behind the graph come only the opset and the like.
    cut = data.draw(st.integers(1, int(len(content) * 0.95)))
    with pytest.raises(Failure):
        fixed_size(content[:cut], (1, 3, 64, 64))
