"""Real engines by TensorRT for RTX, for GPUs that are not there."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.gpu import gpu
from nas_sr.device_program.nvinfer import build as nvinfer
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.families.imdeception import FAMILY as IMDECEPTION
from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.onnx_export import export_onnx, export_untrained
from nas_sr.measure.onnx_fp16 import write_fp16
from nas_sr.space import read_space

pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX, which is there for Linux on x86_64")
pytest.importorskip("cuda.bindings", reason="needs cuda-python")

from nas_sr.device_program.backends import tensorrt_rtx

SIZE = (64, 96)
TURING, AMPERE = "7.5", "8.6"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ImdeceptionSpec], OnnxFiles]:
    """Both files of a network, exported once."""
    folder = tmp_path_factory.mktemp("exported")

    def files(spec: ImdeceptionSpec) -> OnnxFiles:
        found = OnnxFiles(folder / f"{spec.digest}.onnx", folder / f"{spec.digest}-fp16.onnx")
        if not found.fp16.is_file():
            export_untrained(spec, found.fp32, SIZE)
            write_fp16(found.fp32, found.fp16)
        return found

    return files


def _settings(capability: str, precision: str, **changes) -> Settings:
    return Settings(*SIZE, precision, compute_capability=capability)._replace(**changes)


def _members(count: int) -> list[ImdeceptionSpec]:
    space = read_space("imdeception_x4")
    digests = random.Random(20220619).sample(sorted(space.architectures), count)
    return [space.spec(space.architectures[digest]) for digest in digests]


def _check_built(facts: dict, engine: Path, files: OnnxFiles, precision: str) -> None:
    assert facts["engine_bytes"] == engine.stat().st_size > 100_000
    assert facts["onnx"] == precision
    nodes = {node.name for node in onnx.load(files.fp32).graph.node if node.op_type == "Conv"}
    built = [name for layer in facts["layers"] for name in layer["onnx"]]
    assert nodes <= set(built)
    inner = {kind.split()[1] for layer in facts["layers"][2:-2] for kind in layer["inputs"]}
    assert inner == {"Half" if precision == "fp16" else "Float"}
    first, last = facts["layers"][0], facts["layers"][-1]
    assert (first["inputs"], last["outputs"][0].split()[-1]) == (["1x3x64x96 Float"], "Float")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("capability", [TURING, AMPERE])
@pytest.mark.parametrize("spec", [*IMDECEPTION.presets.values(), *_members(2)], ids=lambda spec: spec.label())
def test_engines_of_presets_and_members_can_be_built(exported, tmp_path, spec, capability, precision):
    files = exported(spec)
    if spec.nla_after and (capability, precision) == (TURING, "fp32"):
        # The one thing of ours that it cannot build: Turing has no fp32 matrix product there (TensorRT itself has).
        with pytest.raises(
            Failure, match=r"'/nlas.0/MatMul' .*FP32 GEMM is not supported.* use precision: fp16"
        ) as caught:
            tensorrt_rtx.build(files, tmp_path / "engine", _settings(capability, precision))
        assert caught.value.kind == "candidate"
        return
    facts = tensorrt_rtx.build(files, tmp_path / "engine", _settings(capability, precision))
    _check_built(facts, tmp_path / "engine", files, precision)
    assert facts["compute_capability"] == capability


def test_activations_become_part_of_their_convolutions(exported, tmp_path):
    facts = tensorrt_rtx.build(exported(ImdeceptionSpec(core=16)), tmp_path / "e", _settings(AMPERE, "fp16"))
    layers = [layer["onnx"] for layer in facts["layers"]]
    for gidb in range(6):
        for gblock in range(4):
            name = f"/gidbs.{gidb}/gblocks.{gblock}"
            assert any({f"{name}/grouped/Conv", f"{name}/Relu"} <= set(layer) for layer in layers)
            (mix,) = (layer for layer in layers if f"{name}/mix/Conv" in layer)
            assert any("LeakyRelu" in other for other in mix)


def test_attention_in_fp16_becomes_one_kernel(exported, tmp_path):
    facts = tensorrt_rtx.build(
        exported(ImdeceptionSpec(core=16, nla_after=(2, 4))), tmp_path / "e", _settings(TURING, "fp16")
    )
    for nla in ("/nlas.0", "/nlas.1"):
        (fused,) = (layer for layer in facts["layers"] if f"{nla}/Softmax" in layer["onnx"])
        assert set(fused["onnx"]) == {f"{nla}/MatMul", f"{nla}/Softmax", f"{nla}/MatMul_1"}


def test_network_of_open_size_is_refused(tmp_path):
    path = tmp_path / "open.onnx"
    export_onnx(Network(ImdeceptionSpec(core=4, gidbs=3, depth=2, nla_after=(1,))), path)
    with pytest.raises(Failure, match=r"takes \[1, 3, -1, -1\], but \[1, 3, 64, 96\] is measured"):
        tensorrt_rtx.build(OnnxFiles(path, None), tmp_path / "e", _settings(AMPERE, "fp32"))


@pytest.fixture(scope="module")
def small(exported) -> OnnxFiles:
    return exported(ImdeceptionSpec(core=4, gidbs=3, depth=2))


def test_network_of_another_size_is_the_candidates_fault(small, tmp_path):
    with pytest.raises(Failure, match=r"takes \[1, 3, 64, 96\], but \[1, 3, 64, 64\] is measured") as caught:
        tensorrt_rtx.build(small, tmp_path / "e", _settings(AMPERE, "fp32", lr_width=64))
    assert caught.value.kind == "candidate"


def test_fp16_without_its_file_is_the_devices_fault(small, tmp_path):
    with pytest.raises(Failure, match=r"TensorRT for RTX 1.* builds fp16 from an fp16 ONNX file only") as caught:
        tensorrt_rtx.build(small._replace(fp16=None), tmp_path / "e", _settings(AMPERE, "fp16"))
    assert caught.value.kind == "device"


def test_gpu_that_it_does_not_know_is_the_devices_fault(small, tmp_path):
    with pytest.raises(Failure, match=r"builds for compute capability 7.5, .*12.0.*, not 7.2") as caught:
        tensorrt_rtx.build(small, tmp_path / "e", _settings("7.2", "fp32"))
    assert caught.value.kind == "device"


def test_workspace_that_does_not_suffice_is_named(small, tmp_path):
    with pytest.raises(Failure, match=r"cannot be built.* \(raise workspace_mb\)"):
        tensorrt_rtx.build(small, tmp_path / "e", _settings(AMPERE, "fp32", workspace_mb=0))


@pytest.mark.parametrize("content", [b"", b"not an ONNX file", None])
def test_corrupt_network_is_the_candidates_fault(small, tmp_path, content):
    path = tmp_path / "corrupt.onnx"
    path.write_bytes(small.fp32.read_bytes()[:5000] if content is None else content)
    with pytest.raises(Failure) as caught:
        tensorrt_rtx.build(OnnxFiles(path, None), tmp_path / "e", _settings(AMPERE, "fp32"))
    assert caught.value.kind == "candidate"
    assert not (tmp_path / "e").exists()


def test_unknown_operator_is_named_with_its_node(tmp_path):
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *SIZE]) for name in ("x", "y")]
    node = helper.make_node("Sharpen", ["x"], ["y"], name="the sharp one", domain="ours")
    model = helper.make_model(
        helper.make_graph([node], "g", info[:1], info[1:]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ours", 1)],
        ir_version=8,
    )
    onnx.save(model, tmp_path / "n.onnx")
    with pytest.raises(Failure, match=r"the sharp one.*Sharpen") as caught:
        tensorrt_rtx.build(OnnxFiles(tmp_path / "n.onnx", None), tmp_path / "e", _settings(AMPERE, "fp32"))
    assert caught.value.kind == "candidate"


@pytest.mark.filterwarnings("ignore:Use Deprecated:DeprecationWarning")
def test_timing_cache_is_left_and_a_corrupt_one_ignored(small, tmp_path):
    """Of this product it holds nothing, but the calls and the file are TensorRT's."""

    def aim(config):
        config.num_compute_capabilities = 1
        config.set_compute_capability(tensorrt_rtx.compute_capabilities()[AMPERE], 0)

    def built(**how: bool) -> dict:
        cache, settings = tmp_path / "caches" / "a.timing", _settings(AMPERE, "fp32", **how)
        return nvinfer.build(tensorrt_rtx.tensorrt_rtx_bindings, small, settings, cache, aim)[2]

    first, second = built()["timing_cache"], built()["timing_cache"]
    assert first["used"] is None
    assert first["left"] == second["used"]
    kept = (tmp_path / "caches" / "a.timing").read_bytes()
    fresh = built(fresh=True)["timing_cache"]
    assert (fresh["used"], fresh["left"], fresh["fresh"]) == (None, first["left"], True)
    assert (tmp_path / "caches" / "a.timing").read_bytes() == kept
    (tmp_path / "caches" / "a.timing").write_bytes(b"\0" * 100)
    third = built()["timing_cache"]
    assert (third["used"], third["left"]) == (None, first["left"])
    assert third["ignored"].startswith("corrupt")


def test_measuring_needs_a_gpu_and_says_so():
    assert tensorrt_rtx.library_versions()["tensorrt-rtx"].startswith("1.")
    if gpu().facts()["name"]:
        pytest.skip("this machine has a GPU")
    with pytest.raises(Failure, match="finds no GPU to use") as caught:
        tensorrt_rtx.versions()
    assert caught.value.kind == "device"


def test_what_engines_are_built_with_is_told():
    described = tensorrt_rtx.described(_settings(TURING, "fp16", workspace_mb=512))
    assert (described["precision"], described["workspace_mb"], described["optimization_level"]) == ("fp16", 512, 3)
