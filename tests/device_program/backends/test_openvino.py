"""OpenVINO's own ways; what every backend must do is in tests/contracts."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.onnx_export import export_untrained

pytest.importorskip("openvino", reason="needs OpenVINO")

from nas_sr.device_program.backends import openvino as backend

SIZE = (16, 24)
MARKS = backend.openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> OnnxFiles:
    path = tmp_path_factory.mktemp("small") / "n.onnx"
    export_untrained(ImdeceptionSpec(core=4, gidbs=2, depth=2, nla_after=(1,)), path, SIZE)
    return OnnxFiles(path, None)


def test_every_setting_that_changes_a_figure_is_given_and_followed(small: OnnxFiles) -> None:
    compiled = backend._compiled(small.fp32, Settings(*SIZE, "fp32", threads=1))
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == backend.openvino.Type.f32
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("PERFORMANCE_HINT") == "LATENCY"


@pytest.mark.parametrize(("precision", "mark"), [("bf16", "BF16"), ("fp16", "FP16")])
def test_processor_without_a_precision_is_told_and_never_given_another(small, tmp_path, precision, mark) -> None:
    settings = Settings(*SIZE, precision)
    if mark in MARKS:
        assert backend.build(small, tmp_path / "engine", settings)["layers"]
        return
    with pytest.raises(Failure, match=rf"cannot compute in {precision} with OpenVINO [\d.]+, only in fp32") as caught:
        backend.build(small, tmp_path / "engine", settings)
    assert caught.value.kind == "device"
    # What it would do by itself is the very thing that must not happen.
    with pytest.raises(Failure, match=f"OpenVINO computes in f32 where {backend.HINTS[precision][0]} is asked for"):
        backend._compiled(small.fp32, settings)


def test_built_network_tells_its_layers(small: OnnxFiles, tmp_path: Path) -> None:
    facts = backend.build(small, tmp_path / "engine", Settings(*SIZE, "fp32"))
    kinds = {layer["type"] for layer in facts["layers"]}
    assert {"Convolution", "MatMul"} & kinds
    assert "Const" not in kinds


def test_operation_that_it_cannot_do_is_named(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *SIZE]) for name in ("x", "y")]
    node = helper.make_node("Sharpen", ["x"], ["y"], name="the sharp one", domain="ours")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ours", 1)]
    onnx.save(
        helper.make_model(helper.make_graph([node], "g", info[:1], info[1:]), opset_imports=opsets, ir_version=8), path
    )
    with pytest.raises(Failure, match=r"OpenVINO cannot build the network: .*operations: ours\.Sharpen") as caught:
        backend.build(OnnxFiles(path, None), tmp_path / "engine", Settings(*SIZE, "fp32"))
    assert caught.value.kind == "candidate"
