"""Engine file -> samples: GPU time of one run after another, by CUDA events, with the image on the GPU already."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Callable, Sequence

import numpy

from .. import protocol
from ..cuda import Cuda
from ..gpu import Watch, gpu
from ..image import finiteness, random_image
from ..protocol import Plan
from ..settings import Settings
from .build import ENQUEUE_BOUND
from .log import new_log, out_of_memory


class Engine:
    """An engine that is loaded, with its memory; calling it runs it once and returns the milliseconds."""

    def __init__(self, trt: Any, cuda: Cuda, path: Path, settings: Settings) -> None:
        self._cuda = cuda
        self._log = new_log(trt)
        self._runtime = trt.Runtime(self._log)  # must outlive its engine
        self._engine = self._made(self._runtime.deserialize_cuda_engine(path.read_bytes()))
        self.context = self._made(self._engine.create_execution_context())
        self._images: list[tuple[int, Any]] = []  # inputs: address on the GPU, array here; likewise the outputs
        self._outputs: list[tuple[int, Any]] = []
        self._give_memory(trt, settings)
        self._events = cuda.event(), cuda.event()
        self.enqueue_ms: list[float] = []

    def __call__(self) -> float:
        """One run; GPU milliseconds. `enqueue_ms` grows by the time that giving it to the GPU took."""
        return self._timed(self.enqueue)

    def enqueue(self) -> None:
        """Gives one run to the stream."""
        start = time.perf_counter()
        if not self.context.execute_async_v3(self._cuda.stream):
            raise self._error()
        self.enqueue_ms.append((time.perf_counter() - start) * 1e3)

    def graph_ms(self, runs: int) -> list[float]:
        """GPU milliseconds of runs from one CUDA graph.

        Raises:
            RuntimeError: the binding or the engine cannot be captured.
        """
        launch = self._cuda.capture(self.enqueue)
        launch()
        return [self._timed(launch) for _ in range(runs)]

    def layers_ms(self, trt: Any, runs: int) -> list[dict[str, Any]]:
        """Mean milliseconds of each layer, in the engine's order; their sum is more than a run without a profiler."""
        total: dict[str, float] = {}

        class Profiler(trt.IProfiler):
            def report_layer_time(self, layer_name: str, ms: float) -> None:
                total[layer_name] = total.get(layer_name, 0.0) + ms

        profiler = Profiler()
        self.context.profiler = profiler
        for _ in range(runs):
            self()
        return [{"name": name, "ms": round(ms / runs, 6)} for name, ms in total.items()]

    def give(self, image: Any) -> None:
        """Makes an image of the network's own shape the one that it is run on."""
        ((address, array),) = self._images
        array[...] = image
        self._cuda.upload(address, array)

    def outputs(self) -> list[Any]:
        """What the last run gave."""
        for address, array in self._outputs:
            self._cuda.download(address, array)
        return [array for _address, array in self._outputs]

    @property
    def memory_mb(self) -> float | None:
        """GPU memory that a context of it has for what is between its layers, without weights, image and output."""
        size = getattr(self._engine, "device_memory_size_v2", None)  # since 10.1
        if size is None:
            size = getattr(self._engine, "device_memory_size", None)  # until 10
        return None if size is None else size / 1e6

    def _timed(self, give: Callable[[], None]) -> float:
        start, stop = self._events
        self._cuda.record(start)
        give()
        self._cuda.record(stop)
        return self._cuda.elapsed_ms(start, stop)

    def _give_memory(self, trt: Any, settings: Settings) -> None:
        kinds: dict[Any, Any] = {trt.DataType.FLOAT: numpy.float32, trt.DataType.HALF: numpy.float16}
        if hasattr(trt.DataType, "UINT8"):  # since 8.6
            kinds[trt.DataType.UINT8] = numpy.uint8
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            shape = tuple(self.context.get_tensor_shape(name))
            array = numpy.zeros(shape, kinds[self._engine.get_tensor_dtype(name)])
            address = self._cuda.allocate(array.nbytes)
            self.context.set_tensor_address(name, address)
            if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                settings.check_shape(shape)
                array[...] = random_image(shape, array.dtype)
                self._cuda.upload(address, array)
                self._images.append((address, array))
            else:
                self._outputs.append((address, array))

    def _made(self, made: Any) -> Any:
        if made is None:
            raise self._error()
        return made

    def _error(self) -> Exception:
        errors = " | ".join(dict.fromkeys(self._log.errors)) or "TensorRT gave no reason"
        return MemoryError(errors) if out_of_memory(errors) else RuntimeError(errors)


def measure(
    trt: Any, cuda: Cuda, engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan
) -> dict[str, Any]:
    """What protocol.measure returns, `gpu` (see gpu.Watch), and of each network: `enqueue_ms` of each sample, whether
    its `output` is "finite", `runtime_memory_mb` (see Engine.memory_mb), and on occasion `cuda_graph_ms` (or
    `cuda_graph_error`) and `per_layer_ms`.
    """
    watch = Watch(gpu(cuda.device.pci_bus_id))
    loaded: dict[Path, Engine] = {}

    def load(path: Path) -> Callable[[], float]:
        engine = loaded[path] = Engine(trt, cuda, path, settings)

        def run() -> float:
            ms = engine()
            watch.look()  # after the run: nothing waits for it
            return ms

        return run

    taken = protocol.measure([partial(load, path) for path in engines], partial(load, reference), plan)
    taken["gpu"] = watch.report()
    taken["networks"] = [
        {**samples, **_besides(trt, loaded[path], samples["samples_ms"], settings, plan)}
        for path, samples in zip(engines, taken["networks"])
    ]
    return taken


def infer(trt: Any, cuda: Cuda, path: Path, image: Any, settings: Settings) -> Any:
    """The output of an engine for one image."""
    engine = Engine(trt, cuda, path, settings)
    engine.give(image)
    engine()
    (output,) = engine.outputs()
    return output


def _besides(trt: Any, engine: Engine, samples_ms: list[float], settings: Settings, plan: Plan) -> dict[str, Any]:
    """What is known of an engine besides its samples, once they are taken."""
    facts: dict[str, Any] = {
        "enqueue_ms": engine.enqueue_ms[-len(samples_ms) :],
        "output": finiteness(*engine.outputs()),
        "runtime_memory_mb": engine.memory_mb,
    }
    if median(facts["enqueue_ms"]) > ENQUEUE_BOUND * median(samples_ms):
        try:
            facts["cuda_graph_ms"] = engine.graph_ms(plan.iterations)
        except (RuntimeError, MemoryError) as error:  # the samples are taken already
            facts["cuda_graph_error"] = str(error)
    if settings.per_layer:
        facts["per_layer_ms"] = engine.layers_ms(trt, max(plan.warmup_iterations, 10))
    return facts
