"""Builds a network's engine for a GPU that is not there: shows that it can be built, and which kernels it becomes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

import nas_sr
from nas_sr.device_program import ahead_of_time
from nas_sr.device_program.messages import parse_message
from nas_sr.device_program.settings import Settings
from nas_sr.errors import UsageError, WorkError
from nas_sr.image_format import Layout
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
    precision: Literal["fp32", "fp16"]
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
    precision: Literal["fp32", "fp16"],
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
        facts = _in_fresh_process(asked, limit_s)
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


def _in_fresh_process(asked: dict[str, Any], limit_s: float) -> dict[str, Any]:
    package = Path(nas_sr.__file__).parents[1]
    try:
        done = subprocess.run(
            [sys.executable, "-m", ahead_of_time.__name__],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed("candidate", f"the build was ended after {limit_s:g} s") from None
    said: dict[str, Any] = {}
    for line in done.stdout.splitlines(keepends=True):
        said.update(parse_message(line) or {})
    if "built" in said:
        return said["built"]
    if "failure" in said:
        raise BuildFailed(said["failure"]["kind"], said["failure"]["error"])
    how = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with status {done.returncode}"
    last = done.stderr.strip().splitlines()[-1:]
    raise BuildFailed("transient", ": ".join([f"the building process {how}", *last]))
