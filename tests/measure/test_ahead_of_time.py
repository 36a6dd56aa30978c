from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from nas_sr.families.imdeception.network import Network
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure import ahead_of_time, fresh_process
from nas_sr.measure.ahead_of_time import PACKAGE, BuildFailed, build_ahead
from nas_sr.measure.onnx_export import export_onnx, export_untrained

SIZE = (64, 96)
needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="needs TensorRT for RTX, which is there for Linux on x86_64"
)


@pytest.fixture(scope="module")
def with_attention(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "n.onnx"
    export_untrained(ImdeceptionSpec(core=4, gidbs=3, depth=2, nla_after=(1,)), path, SIZE)
    return path


@needs_rtx
def test_engine_is_built_for_a_gpu_that_is_not_there(with_attention):
    built = build_ahead(with_attention, "7.5", "fp16", *SIZE)
    assert (built.backend, built.compute_capability, built.precision) == ("tensorrt-rtx", "7.5", "fp16")
    assert built.engine_bytes > 100_000
    assert built.kernels == len(built.layers) > 10
    assert 0 < built.build_s < 60
    assert {"tensorrt-rtx", "nas-sr", "python"} <= set(built.versions)
    assert type(built).model_validate_json(built.model_dump_json()) == built
    (attention,) = built.fused_with("/Softmax")
    assert len(attention) == 3


@needs_rtx
def test_builds_are_equal_whatever_was_built_before(with_attention):
    """In one process a failed build was seen to change the next one's kernels: 118 layers for 107."""
    first = build_ahead(with_attention, "8.6", "fp32", *SIZE)
    with pytest.raises(BuildFailed, match=r"no engine \(candidate\): .*FP32 GEMM .*use precision: fp16"):
        build_ahead(with_attention, "7.5", "fp32", *SIZE)
    second = build_ahead(with_attention, "8.6", "fp32", *SIZE)
    assert (second.engine_bytes, second.layers) == (first.engine_bytes, first.layers)


@needs_rtx
def test_file_of_open_size_is_built_at_the_size_asked_for(tmp_path):
    export_onnx(Network(ImdeceptionSpec(core=4, gidbs=2, depth=2)), tmp_path / "open.onnx")
    built = build_ahead(tmp_path / "open.onnx", "12.0", "fp32", 40, 56)
    assert built.layers[0]["inputs"] == ["1x3x40x56 Float"]


@needs_rtx
@pytest.mark.parametrize(
    ("capability", "height", "kind", "text"),
    [("7.2", 64, "device", "not 7.2"), ("8.6", 65, "candidate", "takes images of 96x64 pixels, but 96x65")],
)
def test_what_cannot_be_built_is_told(with_attention, capability, height, kind, text):
    with pytest.raises(BuildFailed, match=text) as caught:
        build_ahead(with_attention, capability, "fp32", height, 96)
    assert caught.value.kind == kind


@needs_rtx
def test_build_is_ended_at_its_limit(with_attention):
    with pytest.raises(BuildFailed, match=r"the build was ended after 0\.01 s") as caught:
        build_ahead(with_attention, "8.6", "fp32", *SIZE, limit_s=0.01)
    assert caught.value.kind == "candidate"


@needs_rtx
def test_process_that_dies_is_told_by_its_last_words(with_attention, monkeypatch):
    real = subprocess.run

    def dying(command, **options):
        return real(
            [sys.executable, "-c", "import os, sys; print('last words', file=sys.stderr); os.abort()"], **options
        )

    monkeypatch.setattr(fresh_process.subprocess, "run", dying)
    with pytest.raises(BuildFailed, match="the building process ended by signal 6: last words") as caught:
        build_ahead(with_attention, "8.6", "fp32", *SIZE)
    assert caught.value.kind == "transient"


def test_without_the_package_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead_of_time, "PACKAGE", "tensorrt_rtx_bindings_that_are_not_there")
    with pytest.raises(BuildFailed, match=r"pip install 'nas-sr\[tensorrt-rtx\]'"):
        build_ahead(tmp_path / "n.onnx", "8.6", "fp32", *SIZE)
