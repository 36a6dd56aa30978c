"""TensorRT 8.5 to 11, by its Python module: GPU time of engines built on the device itself."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Sequence

import numpy
import tensorrt

from ..cuda import open_cuda
from ..failure_kinds import Failure
from ..nvinfer import build as nvinfer
from ..nvinfer import run
from ..nvinfer.layers import from_inspector
from ..nvinfer.log import failure
from ..nvinfer.timing_cache import cache_file
from ..protocol import Plan
from ..settings import OnnxFiles, Settings


def versions() -> dict[str, str]:
    """Of everything that may change the figure.

    Raises:
        Failure: kind device; no GPU, or a TensorRT that lacks what is needed.
    """
    if not hasattr(tensorrt.IExecutionContext, "execute_async_v3"):
        raise Failure(
            "device",
            "TensorRT {} cannot run engines by named tensors (execute_async_v3); 8.5 or newer is needed, on a Jetson"
            " with JetPack 5, or the backend trtexec".format(tensorrt.__version__),
        )
    return {
        "python": platform.python_version(),
        "tensorrt": str(tensorrt.__version__),
        "numpy": numpy.__version__,
        **open_cuda().versions(),
    }


def described(settings: Settings) -> dict[str, Any]:
    """What every engine is built and run with."""
    return nvinfer.described(settings)


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """Builds for the GPU that is there, with its timing cache.

    Raises:
        Failure: kind candidate, transient or device.
    """
    gpu = open_cuda().device
    if settings.compute_capability not in (None, gpu.compute_capability):
        raise Failure(
            "device",
            "TensorRT builds only for the GPU that is there, of compute capability {}, not {}; tensorrt-rtx can".format(
                gpu.compute_capability, settings.compute_capability
            ),
        )
    cache = cache_file(settings.cache_folder, gpu.name, gpu.compute_capability, str(tensorrt.__version__))
    serialized, log, facts = nvinfer.build(tensorrt, onnx, settings, cache)
    engine.write_bytes(serialized)
    runtime = tensorrt.Runtime(log)
    loaded = runtime.deserialize_cuda_engine(serialized)
    if loaded is None:
        raise failure("the engine that was built cannot be loaded", log, settings.workspace_mb)
    return {**facts, "layers": from_inspector(tensorrt, loaded)}


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines in turn: see nvinfer.run.measure."""
    return run.measure(tensorrt, open_cuda(), engines, reference, settings, plan)


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """The output of an engine for one image."""
    return run.infer(tensorrt, open_cuda(), engine, image, settings)
