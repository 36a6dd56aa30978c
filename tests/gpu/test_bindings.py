"""Each Python binding of CUDA, and each product's engines by it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nas_sr.device_program.cuda import BINDINGS
from nas_sr.families.presets import preset
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.onnx_fp16 import write_fp16
from tests.gpu import here
from tests.gpu.binding import used
from tests.gpu.figures import Figures

pytestmark = pytest.mark.gpu

# The family's fp16 engines stay this near to fp32 on an image in 0..1.
LARGEST_DIFFERENCE = 0.03


@pytest.fixture(params=[(name, module) for module, name in BINDINGS.items()], ids=lambda each: each[0])
def binding(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name and module of a binding that is there."""
    name, module = request.param
    if here.binding(name):
        pytest.skip(here.binding(name))
    return name, module


def test_binding_does_what_a_measurement_asks_of_it(binding: tuple[str, str], found: dict, figures: Figures) -> None:
    cuda = importlib.import_module(f"nas_sr.device_program.{binding[1]}").open_device()
    assert cuda.device.compute_capability == found["gpu"]["facts"]["compute_capability"]
    assert cuda.memory_free_mb() > 0
    done = used(cuda)
    assert done.same
    assert done.kept_apart
    assert 0 <= done.elapsed_ms < 1000
    assert "memory" in done.refused.lower()
    figures.record(f"{binding[0]} opens", ", ".join(" ".join(each) for each in cuda.versions().items()))


def test_engine_by_binding_computes_what_onnx_runtime_does(
    product: str, binding: tuple[str, str], figures: Figures, tmp_path: Path
) -> None:
    fp32, fp16 = tmp_path / "n.onnx", tmp_path / "n-fp16.onnx"
    export_untrained(preset("imdeception-c4-nla"), fp32, (64, 96))
    write_fp16(fp32, fp16)
    asked = {
        "product": product,
        "binding": binding[0],
        "fp32": str(fp32),
        "fp16": str(fp16),
        "engine": str(tmp_path / "engine"),
        "settings": {"lr_height": 64, "lr_width": 96, "precision": "fp16"},
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.one_engine"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert "failure" not in result, result
    name = f"imdeception-c4-nla 96x64 fp16, {product} by {binding[0]}"
    figures.record(f"{name}: latency", result["latency_ms"], "ms")
    figures.record(f"{name}: largest difference from fp32", result["largest_difference"], "of 1")
    if binding[0] == "pycuda":
        assert "no CUDA graphs" in result["graph_error"]
    else:
        figures.record(f"{name}: latency from a CUDA graph", result["graph_ms"], "ms")
    assert result["largest_difference"] < LARGEST_DIFFERENCE
    assert result["outputs_vary"]
