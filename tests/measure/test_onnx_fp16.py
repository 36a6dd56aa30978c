from __future__ import annotations

import copy
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference

from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.families.weights import load_network
from nas_sr.measure.onnx_export import ExportError, export_onnx
from nas_sr.measure.onnx_fp16 import write_fp16

SMALL = ImdeceptionSpec(core=4, gidbs=3, depth=2, nla_after=(1,))


def _run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": image})[0]


def _rounding(half: onnx.ModelProto) -> onnx.ModelProto:
    """The fp16 file as a GPU computes it: every result rounded to fp16.

    ONNX Runtime has no fp16 kernels for the CPU and keeps fp32 from one node to the next, beyond what fp16 holds even.
    """
    inferred = shape_inference.infer_shapes(half)
    infos = [*inferred.graph.value_info, *half.graph.input, *half.graph.output]
    kinds = {info.name: info.type.tensor_type.elem_type for info in infos}
    model = copy.deepcopy(half)
    del model.graph.node[:], model.graph.value_info[:]
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in half.graph.node:
        wide = copy.deepcopy(node)
        for attribute in wide.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
        casts = []
        for index, name in enumerate(node.output):
            if kinds[name] == TensorProto.FLOAT16:
                wide.output[index], narrow = f"{name} wide", f"{name} narrow"
                casts.append(helper.make_node("Cast", [wide.output[index]], [narrow], to=TensorProto.FLOAT16))
                casts.append(helper.make_node("Cast", [narrow], [name], to=TensorProto.FLOAT))
        model.graph.node.extend([wide, *casts])
    return model


def _both(network, folder: Path, size=None) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    export_onnx(network, folder / "single.onnx", size)
    write_fp16(folder / "single.onnx", folder / "half.onnx")
    return onnx.load(folder / "single.onnx"), onnx.load(folder / "half.onnx")


@pytest.mark.parametrize("size", [None, (33, 47)])
def test_file_is_fp16_inside_and_fp32_outside(tmp_path, size):
    single, half = _both(Network(SMALL), tmp_path, size)
    onnx.checker.check_model(half, full_check=True)
    for mine, theirs in [(half.graph.input, single.graph.input), (half.graph.output, single.graph.output)]:
        assert [each.SerializeToString() for each in mine] == [each.SerializeToString() for each in theirs]
    kinds = {tensor.data_type for tensor in half.graph.initializer}
    assert TensorProto.FLOAT16 in kinds
    assert TensorProto.FLOAT not in kinds
    counts = {op: sum(node.op_type == op for node in half.graph.node) for op in ("Cast", "Conv", "Softmax", "MatMul")}
    assert counts == {
        "Cast": 2,
        "Conv": sum(node.op_type == "Conv" for node in single.graph.node),
        "Softmax": 1,
        "MatMul": 2,
    }
    assert [opset.version for opset in half.opset_import] == [opset.version for opset in single.opset_import]


@pytest.mark.parametrize("network", [Network(SMALL), build(SMALL, seed=0)], ids=["default", "interpolator"])
def test_outputs_agree_with_fp32(tmp_path, network):
    single, half = _both(network, tmp_path)
    image = np.random.default_rng(2).random((1, 3, 40, 56), dtype=np.float32)
    expected = _run(single, image)
    assert np.abs(_run(half, image) - expected).max() < 1e-2
    assert np.abs(_run(_rounding(half), image) - expected).max() < 1e-2


def test_published_weights_agree_on_photographs(tmp_path, official_weights, images):
    """Their attention's logits, which are not scaled, reach 15."""
    single, half = _both(load_network(official_weights), tmp_path)
    assert load_network(official_weights).spec == preset("imdeception-c16-nla")
    rounding = _rounding(half)
    for path in sorted((images / "Set5" / "LRx4").iterdir()):
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)[:96, :96].astype(np.float32) / 255
        image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        difference = np.abs(_run(rounding, image) - _run(single, image))
        assert difference.max() < 1e-2
        # Far below what PSNR of about 30 dB can show.
        assert -10 * np.log10(np.mean(np.square(difference))) > 60


def test_the_rounding_of_these_tests_rounds(tmp_path):
    """What fp16 cannot hold must show, or the tests above show nothing."""
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [1]) for name in ("input", "output")]
    nodes = [
        helper.make_node("Mul", ["input", "input"], ["square"]),
        helper.make_node("Div", ["square", "input"], ["output"]),
    ]
    half = helper.make_model(helper.make_graph(nodes, "g", info[:1], info[1:]), ir_version=8)
    model = _rounding(half)
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.elem_type = TensorProto.FLOAT
    assert np.isinf(_run(model, np.array([300], np.float32)))
    assert np.isfinite(_run(half, np.array([300], np.float16)))


def test_weight_that_fp16_cannot_hold_is_named(tmp_path):
    source, target = tmp_path / "single.onnx", tmp_path / "half.onnx"
    export_onnx(Network(SMALL), source)
    model = onnx.load(source)
    (tensor,) = (each for each in model.graph.initializer if each.name == "head.weight")
    weights = numpy_helper.to_array(tensor).copy()
    weights[0, 0, 0, 0] = -70_000
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, source)
    with pytest.raises(ExportError, match=r"'head.weight' has a weight of 70000; fp16 holds 65504 at most"):
        write_fp16(source, target)
    assert not target.exists()
