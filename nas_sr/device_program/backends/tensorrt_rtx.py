"""TensorRT for RTX: a product of its own, whose builder needs no GPU. Its engines are not TensorRT's.

The builder only prepares: kernels are compiled and chosen when an engine is loaded on the GPU, so timing caches do
nothing there. Networks are strongly typed: fp16 comes from an fp16 ONNX file.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Sequence

import numpy
import tensorrt_rtx_bindings

from ..cuda import open_cuda
from ..failure_kinds import Failure
from ..nvinfer import build as nvinfer
from ..nvinfer import run
from ..nvinfer.layers import from_log
from ..protocol import Plan
from ..settings import OnnxFiles, Settings


def versions() -> dict[str, str]:
    """Of everything that may change the figure.

    Raises:
        Failure: kind device; no GPU to run on. Building alone needs none: see library_versions.
    """
    return {**library_versions(), **open_cuda().versions()}


def library_versions() -> dict[str, str]:
    """Of everything that may change an engine."""
    return {
        "python": platform.python_version(),
        "tensorrt-rtx": str(tensorrt_rtx_bindings.__version__),
        "numpy": numpy.__version__,
    }


def described(settings: Settings) -> dict[str, Any]:
    """What every engine is built and run with."""
    return nvinfer.described(settings)


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """Builds for `settings.compute_capability`, or for the GPU that is there.

    Raises:
        Failure: kind candidate, transient or device.
    """
    wanted = settings.compute_capability or open_cuda().device.compute_capability
    known = compute_capabilities()
    if wanted not in known:
        raise Failure(
            "device",
            "TensorRT for RTX {} builds for compute capability {}, not {}".format(
                tensorrt_rtx_bindings.__version__, ", ".join(known), wanted
            ),
        )

    def aim(config: Any) -> None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(known[wanted], 0)

    serialized, log, facts = nvinfer.build(tensorrt_rtx_bindings, onnx, settings, None, aim)
    engine.write_bytes(serialized)
    return {**facts, "compute_capability": wanted, "layers": from_log(log.layers)}


def compute_capabilities() -> dict[str, Any]:
    """What engines can be built for: "7.5" and newer, each with the library's name of it."""
    names = (name for name in dir(tensorrt_rtx_bindings.ComputeCapability) if name.startswith("SM"))
    found = {"{}.{}".format(name[2:-1], name[-1]): name for name in names}
    return {
        capability: getattr(tensorrt_rtx_bindings.ComputeCapability, found[capability])
        for capability in sorted(found, key=float)
    }


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines in turn: see nvinfer.run.measure."""
    return run.measure(tensorrt_rtx_bindings, open_cuda(), engines, reference, settings, plan)


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """The output of an engine for one image."""
    return run.infer(tensorrt_rtx_bindings, open_cuda(), engine, image, settings)
