"""ONNX Runtime on the CPU: explicit threads, one run at a time."""

from __future__ import annotations

import platform
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy
import onnxruntime

from .. import protocol
from ..image import random_image
from ..protocol import Plan
from ..settings import OnnxFiles, Settings

ENTRIES = {
    # Threads spin within a run, but not after it: with two sessions in turn, the idle one's spinning threads were seen
    # to slow the other one by up to a half on two cores.
    "session.intra_op.allow_spinning": "1",
    "session.force_spinning_stop": "1",
    # Untrained and trained weights must take the same time, and denormal numbers are many times slower.
    "session.set_denormal_as_zero": "1",
}


TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


def versions() -> dict[str, str]:
    """Of everything that may change the figure."""
    return {
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
    }


def described(settings: Settings) -> dict[str, Any]:
    """What every session is run with."""
    return {
        "precision": settings.precision,
        "provider": "CPUExecutionProvider",
        "intra_op_threads": settings.threads,
        "inter_op_threads": 1,
        "execution": "sequential",
        "graph_optimization": "all",
        **ENTRIES,
    }


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """There is nothing to build ahead: ONNX Runtime prepares a file when it loads it."""
    shutil.copyfile(str(onnx.fp32), str(engine))
    return {}


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines in turn: see protocol.measure."""
    loaders = [partial(_load, engine, settings) for engine in engines]
    return protocol.measure(loaders, partial(_load, reference, settings), plan)


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """The output for one image."""
    session = _session(engine, settings)
    (output,) = session.run(None, {session.get_inputs()[0].name: image})
    return output


def _load(path: Path, settings: Settings) -> Callable[[], float]:
    """A function that runs the network once on a fixed random image and returns the milliseconds."""
    session = _session(path, settings)
    (image,) = session.get_inputs()
    settings.check_shape(image.shape)
    feed = {image.name: random_image(image.shape, TYPES[image.type])}

    def run() -> float:
        start = time.perf_counter()
        session.run(None, feed)
        return (time.perf_counter() - start) * 1e3

    return run


def _session(path: Path, settings: Settings) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    for key, value in ENTRIES.items():
        options.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
