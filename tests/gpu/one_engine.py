"""Builds one engine, runs it by one binding and compares what it computes: `python -m tests.gpu.one_engine`.

A process of its own for each, because a binding is chosen once in a process. It reads {"product", "binding", "fp32",
"fp16", "engine", "settings"} on standard input and writes one line of JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy
import onnxruntime

from nas_sr.device_program import backends, cuda
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.nvinfer.run import Engine
from nas_sr.device_program.settings import OnnxFiles, Settings
from tests.gpu.here import PRODUCTS

RUNS = 50


def main() -> None:
    """Does it, and says a failure as {"failure": text}."""
    asked = json.load(sys.stdin)
    settings = Settings(**asked["settings"])
    only = {module: name for module, name in cuda.BINDINGS.items() if name == asked["binding"]}
    cuda.BINDINGS.clear()
    cuda.BINDINGS.update(only)
    try:
        backend = backends.backend(asked["product"])
        engine = Path(asked["engine"])
        facts = backend.build(OnnxFiles(Path(asked["fp32"]), Path(asked["fp16"])), engine, settings)
        found = {"versions": backend.versions(), "build_s": facts["build_s"], "layers": len(facts["layers"])}
        trt = importlib.import_module(PRODUCTS[asked["product"]][0])
        print(json.dumps({**found, **_run(trt, engine, Path(asked["fp32"]), settings)}))
    except Failure as failure:
        print(json.dumps({"failure": failure.text}))


def _run(trt: Any, path: Path, fp32: Path, settings: Settings) -> dict[str, Any]:
    engine = Engine(trt, cuda.open_cuda(), path, settings)
    samples = [engine() for _ in range(RUNS)]
    assert engine.finite()  # it also brings the output here
    ((_address, output),) = engine._outputs
    image = numpy.random.RandomState(0).rand(1, 3, settings.lr_height, settings.lr_width).astype(numpy.float32)
    session = onnxruntime.InferenceSession(str(fp32), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: image})
    try:
        graph: dict[str, Any] = {"graph_ms": median(engine.graph_ms(RUNS))}
    except RuntimeError as error:
        graph = {"graph_error": str(error)}
    return {
        "latency_ms": median(samples[RUNS // 5 :]),
        "largest_difference": float(numpy.abs(output - expected).max()),
        "outputs_vary": bool(numpy.ptp(output) > 0.01),
        **graph,
    }


if __name__ == "__main__":
    main()
