"""OpenVINO on the CPU: one request at a time, explicit threads, and the precision that is asked for or none.

As it comes it computes in bf16 or fp16 wherever the processor can, and in fp32 where it cannot, without a word. Here
the hint is always given, and a processor that would not follow it is refused.
"""

from __future__ import annotations

import platform
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy
import openvino

from .. import protocol
from ..failure_kinds import Failure
from ..image import finiteness, random_image
from ..protocol import Plan
from ..settings import OnnxFiles, Precision, Settings

# Precision -> its hint, and how a processor that has it is marked.
HINTS: dict[Precision, tuple[str, str]] = {"fp32": ("f32", "FP32"), "fp16": ("f16", "FP16"), "bf16": ("bf16", "BF16")}


def versions() -> dict[str, str]:
    """Of everything that may change the figure."""
    return {"python": platform.python_version(), "openvino": openvino.__version__, "numpy": numpy.__version__}


def described(settings: Settings) -> dict[str, Any]:
    """What every network is compiled with."""
    return {"precision": settings.precision, "device": "CPU", "requests": 1, **_config(settings)}


def precisions() -> Sequence[Precision]:
    """Those that the processor here has, as OpenVINO sees it."""
    marks = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name, (_hint, mark) in HINTS.items() if mark in marks]


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """The engine is the ONNX file: OpenVINO compiles a file when it loads it. Here it shows that it can.

    Raises:
        Failure: kind candidate, with the operations that it has no rule for; device without the precision.
    """
    _check_processor(settings.precision)
    start = time.perf_counter()
    try:
        compiled = _compiled(onnx.fp32, settings)
    except RuntimeError as error:
        raise Failure("candidate", "OpenVINO cannot build the network: {}".format(_reason(error))) from error
    shutil.copyfile(str(onnx.fp32), str(engine))
    return {
        "build_s": round(time.perf_counter() - start, 3),
        "layers": [layer for layer in _layers(compiled) if layer["type"] != "Const"],
    }


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines in turn: see protocol.measure. `output` says whether each network's is finite."""
    requests: dict[Path, Any] = {}

    def load(path: Path) -> Callable[[], float]:
        request = requests[path] = _request(path, settings)

        def run() -> float:
            start = time.perf_counter()
            request.infer()
            return (time.perf_counter() - start) * 1e3

        return run

    taken = protocol.measure([partial(load, engine) for engine in engines], partial(load, reference), plan)
    for engine, network in zip(engines, taken["networks"]):
        network["output"] = finiteness(requests[engine].get_output_tensor().data)
    return taken


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """The output for one image."""
    request = _request(engine, settings)
    request.get_input_tensor().data[...] = image
    request.infer()
    return request.get_output_tensor().data.copy()


def _request(path: Path, settings: Settings) -> Any:
    """A network that is ready to run on a fixed random image."""
    request = _compiled(path, settings).create_infer_request()
    image = request.get_input_tensor()
    settings.check_shape(list(image.shape))
    image.data[...] = random_image(list(image.shape), image.data.dtype)
    return request


def _compiled(path: Path, settings: Settings) -> Any:
    core = openvino.Core()
    # Read as bytes: which reader takes a file depends on how its name ends.
    compiled = core.compile_model(core.read_model(path.read_bytes()), "CPU", _config(settings))
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    hint = HINTS[settings.precision][0]
    if taken != hint:
        raise Failure("device", "OpenVINO computes in {} where {} is asked for".format(taken, hint))
    return compiled


def _layers(compiled: Any) -> list[dict[str, str]]:
    """As they are run: what is fused is one, and conversions between layouts are some more."""
    return [
        {"name": layer.get_friendly_name(), "type": layer.get_rt_info()["layerType"].astype(str)}
        for layer in compiled.get_runtime_model().get_ordered_ops()
    ]


def _config(settings: Settings) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": HINTS[settings.precision][0],
        "INFERENCE_NUM_THREADS": settings.threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Untrained and trained weights must take the same time, and denormal numbers are many times slower.
        "CPU_DENORMALS_OPTIMIZATION": True,
    }


def _check_processor(precision: Precision) -> None:
    has = precisions()
    if precision not in has:
        raise Failure(
            "device",
            "this processor cannot compute in {} with OpenVINO {}, only in {}; set `precision:` in the profile".format(
                precision, openvino.__version__.split("-")[0], " and ".join(has)
            ),
        )


def _reason(error: Exception) -> str:
    """Its lines but those that say where in OpenVINO's source it was raised."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("Exception from", "Check '")))
