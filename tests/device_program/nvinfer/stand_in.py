"""A GPU and a TensorRT that compute nothing, for the parts of a measurement that need no real ones.

An engine file is JSON: `ms` of a run, and `fails` ("load", "context", "run", "memory") or `output` where it matters.
That the real module has all that is used here is tested with its real bindings.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy

from nas_sr.device_program.cuda import Cuda, Device


class StandInCuda(Cuda):
    """Time passes only by what is given to the stream."""

    device = Device("stand-in", "7.5", "0000:01:00.0")
    stream = 77

    def __init__(self, graphs: bool = True) -> None:
        self.now_ms = 0.0
        self.memory: dict[int, Any] = {}
        self.graphs = graphs
        self.captured = 0

    def versions(self):
        return {}

    def memory_free_mb(self):
        return 1.0

    def allocate(self, size):
        self.memory[len(self.memory) + 1] = numpy.zeros(size, numpy.uint8)
        return len(self.memory)

    def upload(self, address, array):
        self.memory[address][:] = array.view(numpy.uint8).ravel()

    def download(self, address, array):
        array[...] = self.memory[address].view(array.dtype).reshape(array.shape)

    def event(self):
        return SimpleNamespace(at_ms=None)

    def record(self, event):
        event.at_ms = self.now_ms

    def elapsed_ms(self, start, stop):
        return stop.at_ms - start.at_ms

    def capture(self, work):
        if not self.graphs:
            raise RuntimeError("no graphs here")
        work()
        self.captured += 1

        def launch():
            self.now_ms += 0.125

        return launch


def stand_in_tensorrt(cuda: StandInCuda) -> Any:
    """A module with what a measurement uses."""
    kinds = SimpleNamespace(FLOAT="fp32", HALF="fp16")
    modes = SimpleNamespace(INPUT="input", OUTPUT="output")

    class Log:
        ERROR, INTERNAL_ERROR, WARNING = "error", "internal", "warning"

    class Profiler:
        pass

    class Context:
        profiler = None

        def __init__(self, engine):
            self.engine, self.addresses = engine, {}

        def get_tensor_shape(self, name):
            return (1, 3, 8, 12) if name == "image" else (1, 3, 32, 48)

        def set_tensor_address(self, name, address):
            self.addresses[name] = address
            return True

        def execute_async_v3(self, stream):
            assert stream == cuda.stream
            assert set(self.addresses) == {"image", "out"}
            if self.engine.does.get("fails") == "run":
                self.engine.log.log(Log.ERROR, "Error Code 1: Cask (Cask convolution execution)")
                return False
            cuda.now_ms += self.engine.does["ms"]
            if self.engine.does.get("output") == "nan":
                cuda.memory[self.addresses["out"]][:] = 0xFF
            if self.profiler:
                self.profiler.report_layer_time("conv", 0.75 * self.engine.does["ms"])
                self.profiler.report_layer_time("shuffle", 0.25 * self.engine.does["ms"])
            return True

    class Engine:
        num_io_tensors = 2
        device_memory_size_v2 = 1_500_000

        def __init__(self, does, log):
            self.does, self.log = does, log

        def get_tensor_name(self, index):
            return ("image", "out")[index]

        def get_tensor_mode(self, name):
            return modes.INPUT if name == "image" else modes.OUTPUT

        def get_tensor_dtype(self, name):
            return kinds.FLOAT

        def create_execution_context(self):
            if self.does.get("fails") == "memory":
                self.log.log(Log.ERROR, "Error Code 1: Cuda Runtime (out of memory)")
                return None
            return Context(self)

    class Runtime:
        def __init__(self, log):
            self.log = log

        def deserialize_cuda_engine(self, content):
            does = json.loads(content)
            if does.get("fails") == "load":
                self.log.log(Log.ERROR, "Error Code 4: the engine plan file is not compatible with this version")
                return None
            return Engine(does, self.log)

    return SimpleNamespace(
        __name__="stand_in", ILogger=Log, IProfiler=Profiler, Runtime=Runtime, DataType=kinds, TensorIOMode=modes
    )
