"""Builds a network's engine for a GPU that is not there: shows that it can be built, and which kernels it becomes."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

import nas_sr
from nas_sr.device_program import ahead_of_time
from nas_sr.device_program.settings import Precision, Settings
from nas_sr.errors import UsageError, WorkError
from nas_sr.image_format import Layout
from nas_sr.measure import fresh_process
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_fp16 import write_fp16
from nas_sr.measure.onnx_static import write_static

PACKAGE = "tensorrt_rtx_bindings"
LIMIT_S = 300.0


class BuildFailed(WorkError):
    """There is no engine; `kind` is candidate, transient or device, as of a measurement that failed."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"no engine ({kind}): {text}")
        self.kind = kind


class BuiltEngine(BaseModel):
    """An engine that was built ahead of time. TensorRT for RTX is not TensorRT: its kernels and times differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str
    compute_capability: str
    precision: Precision
    lr_height: int
    lr_width: int
    build_s: float
    engine_bytes: int
    layers: tuple[dict[str, Any], ...]  # as the engine runs them: name, type, tactic, ONNX nodes, tensors
    warnings: tuple[str, ...]
    versions: dict[str, str]

    @property
    def kernels(self) -> int:
        """How many layers the engine has: what became of the ONNX file's nodes."""
        return len(self.layers)

    def fused_with(self, node: str) -> list[list[str]]:
        """The ONNX nodes of each layer that holds one whose name contains `node`."""
        return [layer["onnx"] for layer in self.layers if any(node in name for name in layer["onnx"])]


def build_ahead(
    onnx_path: Path,
    compute_capability: str,
    precision: Precision,
    lr_height: int,
    lr_width: int,
    *,
    layout: Layout | None = None,
    limit_s: float = LIMIT_S,
) -> BuiltEngine:
    """Builds the engine of an ONNX file in a fresh process that is ended after `limit_s`; the engine is not kept.

    Args:
        onnx_path: takes one image, of this size or of any: see onnx_input.
        compute_capability: of the GPU, "7.5" or newer.
        precision: of weights and arithmetic.
        lr_height: in LR pixels.
        lr_width: in LR pixels.
        layout: of the image, where the file does not say it.
        limit_s: longest time for the build.

    Raises:
        BuildFailed: the network cannot be built for that GPU, or nothing can be built here.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise BuildFailed("device", "TensorRT for RTX is not installed: `pip install 'nas-sr[tensorrt-rtx]'`")
    settings = Settings(
        lr_height=lr_height, lr_width=lr_width, precision=precision, compute_capability=compute_capability
    )
    with tempfile.TemporaryDirectory(prefix="nas-sr-build-") as folder:
        fp32, fp16 = Path(folder) / "fp32.onnx", Path(folder) / "fp16.onnx"
        try:
            write_static(onnx_path, fp32, (lr_height, lr_width), layout)
        except UsageError as error:
            raise BuildFailed("candidate", str(error)) from None
        if precision == "fp16":
            write_fp16(fp32, fp16)
        asked = {
            "fp32": str(fp32),
            "fp16": str(fp16) if precision == "fp16" else None,
            "engine": str(Path(folder) / "engine"),
            "settings": settings._asdict(),
        }
        try:
            facts = fresh_process.answer(
                ahead_of_time, asked, "built", limit_s, work="build", process="building process"
            )
        except MeasurementFailed as failure:
            raise BuildFailed(failure.kind, failure.text) from None
    return BuiltEngine(
        backend=ahead_of_time.BACKEND,
        compute_capability=facts["compute_capability"],
        precision=precision,
        lr_height=lr_height,
        lr_width=lr_width,
        build_s=facts["build_s"],
        engine_bytes=facts["engine_bytes"],
        layers=tuple(facts["layers"]),
        warnings=tuple(facts["warnings"]),
        versions={**facts["versions"], "nas-sr": nas_sr.__version__},
    )
