"""ncnn's own ways, with pnnx; what every backend must do is in tests/contracts."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.device_program import pnnx_command
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.families.presets import preset
from nas_sr.measure.onnx_export import export_untrained

pytest.importorskip("ncnn", reason="needs ncnn")
pytest.importorskip("pnnx", reason="needs pnnx")

from nas_sr.device_program.backends import ncnn as backend

SIZE = (16, 24)
FP32 = Settings(*SIZE, "fp32")


def _saved(path: Path, *nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT, shape=(1, 3, *SIZE)) -> OnnxFiles:
    info = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ours", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return OnnxFiles(path, None)


def test_attention_is_named_as_what_it_cannot_do(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    export_untrained(preset("imdeception-c4-nla"), path, (64, 64))
    with pytest.raises(Failure) as caught:
        backend.build(OnnxFiles(path, None), tmp_path / "engine", Settings(64, 64, "fp32"))
    assert caught.value.kind == "candidate"
    assert "cannot do layers of the network: /nlas.0/Reshape" in caught.value.text
    assert "(Tensor.reshape shape=(" in caught.value.text
    assert caught.value.text.endswith(" further ones")
    assert not (tmp_path / "engine").exists()


def test_single_layer_that_it_cannot_do_is_named(tmp_path: Path) -> None:
    files = _saved(
        tmp_path / "n.onnx",
        helper.make_node("Relu", ["x"], ["r"], name="first"),
        helper.make_node("Hardmax", ["r"], ["y"], name="the hard one", axis=1),
    )
    with pytest.raises(Failure, match=r"layers of the network: the hard one \(Hardmax axis=1\)$"):
        backend.build(files, tmp_path / "engine", FP32)


def test_network_that_pnnx_fails_on_is_told_by_its_last_words(tmp_path: Path) -> None:
    files = _saved(tmp_path / "n.onnx", helper.make_node("Sharpen", ["x"], ["y"], domain="ours"))
    with pytest.raises(Failure, match=r"pnnx cannot convert the network for ncnn \(ended .*Sharpen") as caught:
        backend.build(files, tmp_path / "engine", FP32)
    assert caught.value.kind == "candidate"


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [(-signal.SIGKILL, "transient", "ended by signal 9"), (3, "candidate", "ended with status 3")],
)
def test_converter_that_is_killed_may_pass(tmp_path, monkeypatch, status, kind, text) -> None:
    files = _saved(tmp_path / "n.onnx", helper.make_node("Relu", ["x"], ["y"]))
    ended = SimpleNamespace(returncode=status, stdout=b"before\n\x1b[0;93mlast words\x1b[m\n")
    monkeypatch.setattr(pnnx_command.subprocess, "run", lambda *args, **kwargs: ended)
    with pytest.raises(Failure, match=rf"{text}\): last words") as caught:
        backend.build(files, tmp_path / "engine", FP32)
    assert caught.value.kind == kind


@pytest.mark.parametrize("shape", [(1, *SIZE, 3), (1, 3, *SIZE)])
def test_image_that_it_is_not_given_is_refused(tmp_path, shape) -> None:
    kind = TensorProto.FLOAT if shape[-1] == 3 else TensorProto.DOUBLE
    files = _saved(tmp_path / "n.onnx", helper.make_node("Neg", ["x"], ["y"]), kind=kind, shape=shape)
    with pytest.raises(Failure, match="ncnn is given fp32 images with channels first") as caught:
        backend.build(files, tmp_path / "engine", FP32)
    assert caught.value.kind == "candidate"


def test_options_that_change_the_precision_are_all_off_in_fp32() -> None:
    described = backend.described(Settings(*SIZE, "fp32", threads=2))
    reduced = {name: value for name, value in described.items() if "fp16" in name or "bf16" in name}
    assert set(reduced.values()) == {False}
    unnamed = [name for name in dir(backend.ncnn.Option) if ("fp16" in name or "bf16" in name) and name not in reduced]
    assert unnamed == []  # a later ncnn may have more
    assert described["num_threads"] == 2
    assert backend.described(Settings(*SIZE, "fp16"))["use_fp16_arithmetic"]


def test_fp16_needs_a_processor_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _saved(tmp_path / "n.onnx", helper.make_node("Relu", ["x"], ["y"]))
    monkeypatch.setattr(backend.ncnn, "cpu_support_arm_asimdhp", lambda: 0)
    with pytest.raises(Failure, match=r"cannot compute in fp16 with ncnn .*, only in fp32") as caught:
        backend.build(files, tmp_path / "engine", Settings(*SIZE, "fp16"))
    assert caught.value.kind == "device"


def test_without_pnnx_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pnnx_command.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(pnnx_command.shutil, "which", lambda name: None)
    with pytest.raises(Failure, match="not pnnx, which converts networks for it: pip install pnnx") as caught:
        backend.versions()
    assert caught.value.kind == "device"
