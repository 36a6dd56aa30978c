"""ncnn on the CPU, of networks that pnnx has converted: explicit threads, and fp32 unless fp16 is asked for.

As it comes it keeps and computes in fp16 wherever the processor can, without a word.
"""

from __future__ import annotations

import platform
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

import ncnn
import numpy

from .. import pnnx_command, protocol
from ..failure_kinds import Failure
from ..image import finiteness, random_image
from ..protocol import Plan
from ..settings import OnnxFiles, Precision, Settings

# What of an engine is in its file.
PARAM, WEIGHTS, SHAPE = "network.param", "network.bin", "shape"
MOST_NAMED = 3  # of the layers that it cannot do


def versions() -> dict[str, str]:
    """Of everything that may change the figure.

    Raises:
        Failure: kind device; there is no pnnx.
    """
    return {
        "python": platform.python_version(),
        "ncnn": ncnn.__version__,
        "pnnx": pnnx_command.version(),
        "numpy": numpy.__version__,
    }


def described(settings: Settings) -> dict[str, Any]:
    """What every network is loaded with."""
    return {"precision": settings.precision, **_options(settings)}


def precisions() -> Sequence[Precision]:
    """Those that the processor here has."""
    return ["fp32", "fp16"] if ncnn.cpu_support_arm_asimdhp() else ["fp32"]


def build(onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
    """Converts the network; the engine is an archive of what pnnx made.

    Raises:
        Failure: kind candidate, with the layers that ncnn cannot do; device without pnnx or the precision.
    """
    if settings.precision not in precisions():
        raise Failure(
            "device",
            "this processor cannot compute in fp16 with ncnn {}, only in fp32: it takes one of ARMv8.2 with half"
            " precision; set `precision: fp32` in the profile".format(ncnn.__version__),
        )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nas-sr-ncnn-") as name:
        converted = pnnx_command.convert(onnx.fp32, Path(name))
        settings.check_shape(converted.input_shape)
        if converted.input_type != "f32" or converted.input_shape[1] != 3:
            raise Failure(
                "candidate",
                "ncnn is given fp32 images with channels first, but the network takes {} {}".format(
                    converted.input_type, list(converted.input_shape)
                ),
            )
        layers = pnnx_command.layers(converted.param)
        unknown = [layer for layer in layers if ncnn.layer_to_index(layer.kind) < 0]
        if unknown:
            named = pnnx_command.unknown_layers(converted, unknown[:MOST_NAMED])
            rest = len(unknown) - MOST_NAMED
            raise Failure(
                "candidate",
                "ncnn {} cannot do layers of the network: {}{}".format(
                    ncnn.__version__, named, " and {} further ones".format(rest) if rest > 0 else ""
                ),
            )
        with zipfile.ZipFile(str(engine), "w") as archive:
            archive.write(str(converted.param), PARAM)
            archive.write(str(converted.weights), WEIGHTS)
            archive.writestr(SHAPE, " ".join(map(str, converted.input_shape)))
    return {
        "build_s": round(time.perf_counter() - start, 3),
        "engine_bytes": engine.stat().st_size,
        "layers": [{"name": layer.name, "type": layer.kind} for layer in layers],
    }


def measure(engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Samples of the engines in turn: see protocol.measure. `output` says whether each network's is finite."""
    loaded: dict[Path, _Network] = {}

    def load(path: Path) -> Callable[[], float]:
        network = loaded[path] = _Network(path, settings)

        def run() -> float:
            start = time.perf_counter()
            network.run()
            return (time.perf_counter() - start) * 1e3

        return run

    taken = protocol.measure([partial(load, engine) for engine in engines], partial(load, reference), plan)
    for engine, samples in zip(engines, taken["networks"]):
        samples["output"] = finiteness(loaded[engine].output())
    return taken


def infer(engine: Path, image: Any, settings: Settings) -> Any:
    """The output for one image."""
    network = _Network(engine, settings)
    network.give(image)
    network.run()
    return network.output()


class _Network:
    """A network that is ready to run, by default on a fixed random image."""

    def __init__(self, engine: Path, settings: Settings) -> None:
        self._net = ncnn.Net()
        for name, value in _options(settings).items():
            setattr(self._net.opt, name, value)
        with tempfile.TemporaryDirectory(prefix="nas-sr-ncnn-") as folder, zipfile.ZipFile(str(engine)) as archive:
            archive.extractall(folder)
            for load, file in ((self._net.load_param, PARAM), (self._net.load_model, WEIGHTS)):
                if load(str(Path(folder) / file)) != 0:
                    raise RuntimeError("ncnn cannot load {}".format(file))
            shape = [int(side) for side in (Path(folder) / SHAPE).read_text(encoding="utf-8").split()]
        settings.check_shape(shape)
        names = self._net.input_names(), self._net.output_names()
        if [len(each) for each in names] != [1, 1]:
            raise RuntimeError("it must have one input and one output, but has {} and {}".format(*map(len, names)))
        self._names = names[0][0], names[1][0]
        self.give(random_image(shape, "float32"))

    def give(self, image: Any) -> None:
        """Makes an image (1, 3, h, w) the one that it is run on."""
        self._image = ncnn.Mat(numpy.ascontiguousarray(image[0])).clone()

    def run(self) -> None:
        """Runs it once.

        Raises:
            RuntimeError: there is no output.
        """
        first, last = self._names
        with self._net.create_extractor() as extractor:
            extractor.input(first, self._image)
            status, self._result = extractor.extract(last)
        if status != 0:
            raise RuntimeError("ncnn gave no output (status {})".format(status))

    def output(self) -> Any:
        """What the last run gave: (1, 3, h, w), fp32."""
        return numpy.array(self._result)[None]


def _options(settings: Settings) -> dict[str, Any]:
    half = settings.precision == "fp16"
    return {
        "num_threads": settings.threads,
        "use_vulkan_compute": False,
        "use_fp16_packed": half,
        "use_fp16_storage": half,
        "use_fp16_arithmetic": half,
        "use_bf16_packed": False,
        "use_bf16_storage": False,
    }
